"""Plays a run's operations again and writes what it sees on the way into the run's folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from json import dumps, loads
from pathlib import Path
from typing import IO, Any
from zlib import crc32

from sim.config import RunConfig
from sim.driver import Driver
from sim.engines.protocol import Snapshot
from sim.engines.select import Engines
from sim.errors import InputError
from sim.play import play
from sim.record import RecordError, write_whole
from sim.recorded import Recorded
from sim.replay import Changes, changed, fitted
from sim.retrace.lives import Lives
from sim.retrace.maps import Maps
from sim.retrace.moments import Moments
from sim.retrace.plan import Plan, plan_of
from sim.setup import Stage

FILES = ("lives.jsonl", "slots.npz", "moments.json")


class Otherwise(InputError):
    """The run did not come out as it was recorded."""


def looked_inside(folder: Path) -> bool:
    """Whether a run's folder has it all."""
    return all((folder / name).is_file() for name in FILES)


def retrace(
    folder: Path,
    engines: Engines | None = None,
    policy: str | None = None,
    notice: Callable[[int, float], None] | None = None,
) -> None:
    """Write lives.jsonl, slots.npz and moments.json into the folder of a run; InputError if that cannot be done."""
    engines = engines or Engines()
    path = folder / "ops.jsonl"
    with Recorded(path) as recorded:
        changes = Changes(policy=policy, device="cpu", audit="off")
        identity, config = changed(recorded, changes)
        identity = fitted(path, identity, engines, changes)
        # What the release's check says of the books is written down already.
        config = replace(config, scheduler=replace(config.scheduler, busy_check=0))
        plan = plan_of(folder, identity.variant, sum(config.pool.sizes.values()))
        with (
            Stage(identity, config, None, f"{path}:1:1", engines, blames=True) as stage,
            _Look(folder, plan, config) as look,
        ):
            stage.driver.watch = lambda _: look.at(stage.driver)
            lines = ((line.time, line.what) for line in recorded.lines())
            if play(stage.driver, lines, config, recorded=True, notice=notice) == "crash":
                look.at(stage.driver)
            look.write()


class _Look:
    """What is seen of one run; its lines are written as they come, beside the file, and renamed at the end."""

    def __init__(self, folder: Path, plan: Plan, config: RunConfig) -> None:
        self._folder = folder
        self._plan = plan
        self._closely = plan.closely
        self._config = config
        self._lives = Lives()
        self._moments = Moments(plan.windows, config.pool.context)
        self._maps = Maps(config)
        self._log = _events(folder / "events.jsonl")
        self._part = folder / "lives.jsonl.part"
        self._file: IO[str] | None = None
        self._crc = 0

    def __enter__(self) -> _Look:
        try:
            self._file = self._part.open("w", encoding="ascii")
        except OSError as error:
            raise RecordError(self._part, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        assert self._file is not None
        self._file.close()
        self._part.unlink(missing_ok=True)

    def at(self, driver: Driver) -> None:
        """An event is over."""
        text = next(self._log, None)
        if text is None:
            return
        if not text.startswith(f'{{"event":{driver.event},'):
            raise self._otherwise(driver.event)
        sampled, closely = driver.event in self._plan.samples, driver.event in self._closely
        if not sampled and not closely and self._lives.plain(text):
            return
        line = loads(text)
        if driver.crashed is not None or line["kind"] == "step":
            return
        touched = None if sampled or closely else self._lives.touched(line)
        snapshot = driver.engine.snapshot(of=touched)
        self._compare(line, snapshot)
        assert self._file is not None
        for change in self._lives.changes(line, snapshot, touched):
            self._file.write(change)
            self._crc = crc32(change.encode(), self._crc)
        if sampled or closely:
            layout = driver.engine.layout(counting=not closely)
            known = frozenset(session.session for session in snapshot.sessions)
            if sampled:
                self._maps.add(driver.event, layout, known)
            if closely:
                self._moments.look(driver.event, layout, known, self._lives.session_of)

    def write(self) -> None:
        """Complete the three files."""
        assert self._file is not None
        try:
            self._file.close()
            self._part.replace(self._folder / "lives.jsonl")
            self._maps.save(self._folder / "slots.npz")
        except OSError as error:
            raise RecordError(self._folder, error) from error
        found = {"lives": self._crc, **self._moments.to_json()}
        write_whole(self._folder / "moments.json", dumps(found, separators=(",", ":")) + "\n")

    def _compare(self, line: dict[str, Any], snapshot: Snapshot) -> None:
        for pool, terms in snapshot.pools.items():
            if pool in line and tuple(line[pool]) != terms[:5]:
                raise self._otherwise(line["event"])

    def _otherwise(self, event: int) -> Otherwise:
        return Otherwise(
            f"{self._folder / 'ops.jsonl'}:1:1: played again, event {event} comes out otherwise than in events.jsonl; "
            "run the scenario again with --out"
        )


def _events(path: Path) -> Iterator[str]:
    """The lines of events.jsonl, as far as they are whole."""
    try:
        with path.open(encoding="utf-8") as file:
            yield from (line for line in file if line.endswith("\n"))
    except (OSError, ValueError):
        return
