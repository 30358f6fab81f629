"""An engine with all that watches it: what a scenario run and a replay have in common."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sim.blame import policy_crash
from sim.config import RunConfig
from sim.driver import Auditing, Driver
from sim.engines.protocol import Engine
from sim.engines.select import Engines
from sim.errors import InputError
from sim.record import Recorder, write_whole
from sim.result import Result, document

if TYPE_CHECKING:
    from sim.clock import Ending
    from sim.engines.model import ModelEngine
    from sim.ledger.verdicts import Verdict
    from sim.scheduler.release import Release


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What is run: a variant of a scenario, on a release."""

    scenario: str
    variant: str
    release: str
    revert: tuple[int, ...] = ()
    add: tuple[int, ...] = ()
    decide: Mapping[str, str] = field(default_factory=dict)
    policy: str | type | None = None

    def to_json(self) -> dict[str, Any]:
        """The first keys of ops.jsonl and meta.json."""
        data: dict[str, Any] = {
            "scenario": self.scenario,
            "variant": self.variant,
            "release": self.release,
            "reverted": list(self.revert),
            "added": list(self.add),
            "decide": dict(self.decide),
        }
        if self.policy is None:
            return data
        from policies.user import spelled

        return data | {"policy": spelled(self.policy)}


def choose_release(identity: Identity, place: str = "") -> Release:
    """The release that an identity names; a wrong name is said in one line, at `place`."""
    from policies.releases import UnknownChoice, compose

    try:
        release = compose(identity.release, revert=identity.revert, add=identity.add, decide=identity.decide)
    except UnknownChoice as error:
        raise InputError(f"{place}: {error}" if place else str(error)) from error
    if identity.policy is None:
        return release
    from policies.user import PolicyError, load_policy

    try:
        return load_policy(identity.policy)(release)
    except PolicyError as error:
        raise InputError(str(error)) from error


def choose_device(device: str) -> str:
    """The device that `auto`, `cpu` or `cuda` means on this machine."""
    if device == "cpu":
        return device
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise InputError("--device cuda: there is no usable GPU here; write --device cpu")
    return "cpu"


def card_memory(device: str | None) -> int | None:
    """Bytes of the card that a run asks for by name; None if it asks for none, InputError if there is none."""
    if device != "cuda":
        return None
    choose_device(device)
    import torch

    return int(torch.cuda.get_device_properties(0).total_memory)


def make_engine(config: RunConfig, release: Release) -> tuple[Engine, Auditing | None]:
    """The model, and its auditor unless auditing is off."""
    from sim.ledger.auditor import Auditor

    engine = make_model(config, release)
    return engine, None if config.audit == "off" else Auditor(engine)


def make_model(config: RunConfig, release: Release) -> ModelEngine:
    """The model; InputError if its tensors do not fit."""
    from sim.engines.model import ModelEngine

    try:
        return ModelEngine(config, release)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "memory" in str(error).lower():
            sizes = ", ".join(f"{name} {size}" for name, size in config.pool.sizes.items())
            raise InputError(
                f"the pools ({sizes}) of {config.pool.model} do not fit into the memory of the {config.device}; "
                "make the pools smaller, or write a smaller model"
            ) from error
        raise


def make_remote(
    config: RunConfig, reverts: tuple[int, ...], engines: Engines
) -> tuple[Engine, Auditing | None]:
    """The real release, and its auditor unless auditing is off."""
    from sim.ledger.observed import ObservedAuditor

    audited = config.audit != "off"
    engine = engines.remote(config, reverts, audit=audited)
    return engine, ObservedAuditor(engine, config) if audited else None


class Stage:
    """One run being made: closes its files whatever ends it.

    `blames`: what a user's policy breaks is a crash, as of a release, not raised; `broken` is told of a run broken off.
    """

    def __init__(
        self,
        identity: Identity,
        config: RunConfig,
        folder: Path | None,
        place: str = "",
        engines: Engines | None = None,
        *,
        blames: bool = False,
        broken: Callable[[Result], None] | None = None,
    ) -> None:
        self.identity = identity
        self.folder = folder
        self._engines = engines or Engines()
        self.engine: Engine
        self.auditor: Auditing | None
        if self._engines.real:
            # Whatever a machine has: the release is driven on its CPU.
            self.config = replace(config, device="cpu")
            self.engine, self.auditor = make_remote(self.config, identity.revert, self._engines)
        else:
            self.config = replace(config, device=choose_device(config.device))
            release = choose_release(identity, place)
            self.engine, self.auditor = make_engine(self.config, release)
        self.recorder: Recorder | None = None
        if folder is not None:
            header = {"kvledger": 1, **identity.to_json(), "config": self.config.spelled()}
            self.recorder = Recorder(folder, header, config.pool.sizes)
        blame = partial(policy_crash, policy=identity.policy) if blames else None
        self.driver = Driver(self.engine, self.auditor, self.recorder, blame=blame)
        self._lone: list[Verdict] = []
        self._broken = broken

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self.recorder is not None:
            with contextlib.suppress(InputError):
                self.recorder.close()
            with contextlib.suppress(InputError):
                unmet = (f"the run was broken off: {type(error).__name__}",)
                result = replace(self._result("broken off", unmet=unmet), events=self.recorder.written)
                self._write(result)
                if self._broken is not None:
                    self._broken(result)

    @property
    def verdicts(self) -> Sequence[Verdict]:
        """The verdicts so far, also those of a run without auditor."""
        return self._lone if self.auditor is None else self.auditor.verdicts

    def end(self, ending: Ending) -> None:
        """The last verdicts: of a crash, of work that waits for ever, of the last recount."""
        driver = self.driver
        if ending == "stuck" and self.recorder is not None:
            self.recorder.stuck(driver.now)
        if self.auditor is None:
            if driver.crashed is not None:
                self._lone.append(lone_verdict("crash", driver, str(driver.crashed)))
            elif ending == "stuck":
                self._lone.append(lone_verdict("stuck", driver, stuck_message(self.engine)))
            return
        if ending == "stuck":
            self.auditor.stuck(stuck_message(self.engine))
        if ending != "crash":
            driver.finish()

    def conclude(self, ending: Ending, **judgement: Any) -> Result:
        """Complete the folder and say what the run came to."""
        result = self._result(ending, **judgement)
        if self.recorder is not None:
            self.recorder.close()
            self._write(result)
        return result

    def _result(self, ending: Ending, **judgement: Any) -> Result:
        identity, driver = self.identity, self.driver
        unlisted = 0 if self.auditor is None else self.auditor.unlisted
        if unlisted:
            judgement["notes"] = (*judgement.get("notes", ()), f"{unlisted} more verdicts are not listed")
        return Result(
            scenario=identity.scenario,
            variant=identity.variant,
            release=identity.release,
            reverted=identity.revert,
            added=identity.add,
            engine=self._engines.name,
            events=driver.event,
            checks=0 if self.auditor is None else self.auditor.checks,
            iterations=driver.iteration,
            time=driver.now,
            ending=ending,
            verdicts=tuple(self.verdicts),
            frames=driver.crashed.frames if driver.crashed is not None else (),
            folder=self.folder,
            **judgement,
        )

    def _write(self, result: Result) -> None:
        assert self.folder is not None, "a recorder has a folder"
        write_whole(self.folder / "meta.json", self._meta(result))
        write_whole(self.folder / "verdicts.json", document(result.scenario, [result]))

    def _meta(self, result: Result) -> dict[str, Any]:
        return {
            **self.identity.to_json(),
            "seed": self.config.seed,
            "device": self.config.device,
            "engine": result.engine,
            "ending": result.ending,
            "time": result.time,
            "config": self.config.spelled(),
            "versions": versions() | self._source(),
            "replay": f"kvledger replay {self.folder}/ops.jsonl {self._engines.choice.option}".rstrip(),
        }

    def _source(self) -> dict[str, str]:
        """Which sources a real engine was made from."""
        if not self._engines.real:
            return {}
        source = self._engines.source
        return {"sglang": source.version, "sglang_source": f"{source.path} ({source.origin})"}


def versions() -> dict[str, str | None]:
    """What a run depended on."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in ("kvledger", "numpy", "torch", "simpy"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def stuck_message(engine: Engine) -> str:
    """What is wrong with an engine that waits for ever."""
    there = engine.snapshot()
    first = ""
    if there.chunked is not None and there.chunked not in (there.last_batch or ()):
        first = f", the first is {there.chunked}, whose prompt is parked half-way"
    elif there.waiting:
        first = f", the first is {there.waiting[0]}"
    return f"{engine.waiting} requests wait{first}; {engine.running} run, and nothing to come can change that"


def lone_verdict(kind: str, driver: Driver, message: str) -> Verdict:
    """A verdict of a run that is not audited: its cause is where it shows."""
    from sim.ledger.shortage import short_of
    from sim.ledger.verdicts import Cause, Verdict

    at = (driver.event, driver.iteration, driver.now)
    size = driver.engine.waiting if kind == "stuck" else 0
    verdict = Verdict(kind, short_of(message) or "full", size, *at, None, None, Cause(message, *at, kind), message)
    if kind == "crash":
        verdict.detect("crash", driver.event, driver.iteration)
    return verdict
