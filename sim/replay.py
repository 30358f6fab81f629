"""Plays the operations of ops.jsonl on an engine: the same events as in the run that recorded them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sim.blame import blaming
from sim.config import Audit, RunConfig
from sim.engines.select import Engines
from sim.errors import InputError
from sim.fitting import misfit
from sim.play import play
from sim.record import begin, folder_of
from sim.recorded import Recorded
from sim.result import Result
from sim.setup import Identity, Stage, card_memory


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What a replay changes about the recorded run."""

    out: Path | None = None
    release: str | None = None
    revert: tuple[int, ...] = ()
    add: tuple[int, ...] = ()
    device: str | None = None
    audit: Audit | None = None
    policy: str | None = None


def replay(
    path: Path,
    changes: Changes | None = None,
    notice: Callable[[int, float], None] | None = None,
    engines: Engines | None = None,
) -> Result:
    """Play a recorded run to its end."""
    changes = changes or Changes()
    engines = engines or Engines()
    with Recorded(path, card_memory(changes.device)) as recorded:
        identity, config = changed(recorded, changes)
        identity = fitted(path, identity, engines, changes)
        folder = changes.out and folder_of(changes.out, identity.scenario, identity.variant)
        with blaming(changes.policy), Stage(identity, config, folder, f"{path}:1:1", engines) as stage:
            if changes.out is not None:
                begin(changes.out)
            lines = ((line.time, line.what) for line in recorded.lines())
            ending = play(stage.driver, lines, config, recorded=True, notice=notice)
            stage.end(ending)
            return stage.conclude(ending)


def fitted(path: Path, identity: Identity, engines: Engines, changes: Changes) -> Identity:
    """The identity under which the engine plays the run; InputError if it is not what was recorded."""
    if not engines.real:
        return identity
    if engines.release is None:
        identity = replace(identity, release=engines.name)
    reason = misfit(identity, engines, changes.revert)
    if reason is not None:
        raise InputError(f"{path}:1:1: this run cannot be played on {engines.name}: {reason}; {_advice(engines)}")
    return identity


def _advice(engines: Engines) -> str:
    if engines.release is None:
        return "write --release with the release that it was recorded on, to leave nothing out and put nothing in"
    return f"write --release {engines.release} to play it there all the same"


def changed(recorded: Recorded, changes: Changes) -> tuple[Identity, RunConfig]:
    """Who is run, with which configuration, once the command line has had its say."""
    identity, config = recorded.identity, recorded.config
    if changes.release is not None:
        identity = replace(identity, release=changes.release, revert=(), add=(), decide={})
    if changes.revert:
        identity = replace(identity, revert=tuple(sorted({*identity.revert, *changes.revert})))
    if changes.add:
        identity = replace(identity, add=tuple(sorted({*identity.add, *changes.add})))
    if changes.policy is not None:
        identity = replace(identity, policy=changes.policy)
    elif identity.policy is not None:
        # A recorded run is data: it must not cause code to run.
        raise InputError(f"{recorded.path}:1:1: this run used a policy; write --policy {identity.policy}")
    if changes.device is not None:
        config = replace(config, device=changes.device)
    if changes.audit is not None:
        config = replace(config, audit=changes.audit)
    return identity, config
