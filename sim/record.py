"""What a run leaves behind: events.jsonl, ops.jsonl, series.npz, verdicts.json, meta.json, scenario.yaml.

Lines are written as they come and are complete whatever stops the run; memory does not grow with them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.engines.protocol import StepReport, Terms
from sim.errors import InputError
from sim.operations import Operation, line_of
from sim.series import Point, Series
from sim.stopping import undisturbed

if TYPE_CHECKING:
    from sim.driver import Driver

_ALL = ("series.npz", "verdicts.json", "meta.json", "lives.jsonl", "slots.npz", "moments.json")
_TOGETHER = ("report.html", "verdicts.json")
_BUFFER = 1 << 18
_BATCH = 256


class RecordError(InputError):
    """The folder of a run cannot be written; the message is one line."""

    def __init__(self, path: Path, error: OSError) -> None:
        reason = (error.strerror or str(error)).lower()
        super().__init__(f"{path}: cannot be written: {reason}; free space or choose another --out")


class Lines:
    """A file of JSON lines: buffered, and cut back to its last complete line if writing fails."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("wb", buffering=_BUFFER)
        except OSError as error:
            raise RecordError(path, error) from error

    def write(self, lines: str) -> None:
        """Add lines, line feeds included."""
        try:
            self._file.write(lines.encode("ascii"))
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Write out what is buffered."""
        if self._file.closed:
            return
        try:
            self._file.close()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        _cut_back(self._path)
        raise RecordError(self._path, error) from error


def _cut_back(path: Path, window: int = 1 << 20) -> None:
    """Cut a file after its last line feed; a line is far shorter than the window."""
    with contextlib.suppress(OSError), path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        start = file.seek(max(0, size - window))
        file.truncate(start + file.read(window).rfind(b"\n") + 1)


class Recorder:
    """Writes one run into one folder, event by event.

    `written` is the last event that has been. Iterations are noted as tuples and formatted by hand, a batch at a
    time: with `dumps` in every iteration the log would cost more than half a decode step, see the benchmark
    `event-log`.
    """

    def __init__(self, folder: Path, header: dict[str, Any], sizes: Mapping[str, int]) -> None:
        self.folder = folder
        self._sizes = sizes
        self._series = Series(pools=len(sizes))
        self._noted: list[Note] = []
        self.written = 0
        prepare(folder)
        _forget(folder, _ALL)
        self._events = Lines(folder / "events.jsonl")
        self._ops = Lines(folder / "ops.jsonl")
        self._ops.write(_compact(header) + "\n")

    def asked(self, operation: Operation, now: float) -> None:
        """An operation is about to be done."""
        self._operation(line_of(operation, now))

    def failed(self, now: float) -> None:
        """An iteration was begun and did not end."""
        self._operation(_step_line(repr(now)))

    def stuck(self, now: float) -> None:
        """Nothing that could still come would let the waiting work run."""
        self._operation(f'{{"op":"stuck","t":{now!r}}}\n')

    def did(
        self,
        driver: Driver,
        kind: str,
        request: str | None,
        session: str | None,
        first_verdict: int,
        check: str | None = None,
    ) -> None:
        """An operation has become an event."""
        names = (f',"request":{dumps(request)}' if request is not None else "") + (
            f',"session":{dumps(session)}' if session is not None else ""
        )
        self._event(driver, kind, names, check, first_verdict)

    def looked(self, now: float) -> None:
        """The clock was set, and perhaps the reaper looked."""
        self._operation(f'{{"op":"reap","t":{now!r}}}\n')

    def reaped(self, driver: Driver, closed: tuple[str, ...], first_verdict: int) -> None:
        """A pass of the reaper closed sessions."""
        self.looked(driver.now)
        self._event(driver, "reap", f',"closed":{_compact(closed)}', None, first_verdict)

    def stepped(self, driver: Driver, report: StepReport, first_verdict: int) -> None:
        """An iteration has become an event."""
        noted = self._noted
        noted.append(_note(driver, report, report.iteration, first_verdict))
        if len(noted) >= _BATCH:
            self._write_out()

    def close(self) -> None:
        """Complete every file; raises RecordError if one of them could not be."""
        with undisturbed:
            try:
                self._write_out()
            finally:
                try:
                    self._events.close()
                finally:
                    self._ops.close()
            path = self.folder / "series.npz"
            try:
                self._series.save(path, self._sizes)
            except OSError as error:
                path.unlink(missing_ok=True)
                raise RecordError(path, error) from error

    def _write_out(self) -> None:
        """Format the iterations noted since the last time."""
        if self._noted:
            with undisturbed:
                noted, self._noted = self._noted, []
                self._write_all(noted)

    def _write_all(self, noted: Sequence[Note]) -> None:
        ops, events = [], []
        for note in noted:
            time, report = repr(note[1]), note[3]
            ops.append(_step_line(time))
            middle = f',"batch":{report.batch}' if report.batch else ""
            if report.prefill_tokens:
                middle += f',"tokens":{report.prefill_tokens}'
            if report.finished or report.aborted or report.retracted or report.refused:
                middle += _lists(report)
            events.append(_line(note, time, report.kind, middle, report.release_check))
            self._count(note)
        self._ops.write("".join(ops))
        self._events.write("".join(events))
        self.written = noted[-1][0]

    def _event(self, driver: Driver, kind: str, middle: str, check: str | None, first_verdict: int) -> None:
        self._write_out()
        note = _note(driver, None, driver.iteration, first_verdict)
        with undisturbed:
            self._events.write(_line(note, repr(driver.now), kind, middle, check))
            self.written = driver.event
            self._count(note)

    def _operation(self, line: str) -> None:
        self._write_out()
        with undisturbed:
            self._ops.write(line)

    def _count(self, note: Note) -> None:
        event, now, iteration, _, terms, (lost, extra), running, waiting, _, others = note
        if terms is not None:
            claimed = (terms.available, terms.evictable, terms.protected, terms.session_held, terms.uncached)
            delta = sum(claimed) - terms.total
            point: Point = (event, now, iteration, *claimed, lost, extra, delta, running, waiting)
            for _, other, (lost, extra) in others:
                point += (*other[:5], lost, extra, other.delta)
            self._series.add(point)


Others = tuple[tuple[str, Terms, tuple[int, int]], ...]
"""Of each pool but the full one: its name, terms, (lost, extra)."""
Note = tuple[int, float, int, Any, Terms | None, tuple[int, int], int, int, tuple[int, ...], Others]
"""event, time, iteration, report, terms, (lost, extra), running, waiting, verdicts, other pools."""


def _note(driver: Driver, report: StepReport | None, iteration: int, first_verdict: int) -> Note:
    engine, auditor = driver.engine, driver.auditor
    if auditor is None:
        return (driver.event, driver.now, iteration, report, None, (0, 0), engine.running, engine.waiting, (), ())
    count = len(auditor.verdicts)
    opened = tuple(range(first_verdict, count)) if first_verdict < count else ()
    books = auditor.books()
    others: Others = ()
    if len(books) > 1:
        others = tuple((pool, terms, auditor.loss(pool)) for pool, terms in books.items() if pool != "full")
    return (
        driver.event,
        driver.now,
        iteration,
        report,
        books["full"],
        auditor.loss(),
        engine.running,
        engine.waiting,
        opened,
        others,
    )


def _line(note: Note, time: str, kind: str, middle: str, check: str | None) -> str:
    """One line of events.jsonl."""
    event, _, iteration, _, terms, loss, running, waiting, opened, others = note
    if terms is not None:
        middle += (
            f',"full":[{terms.available},{terms.evictable},{terms.protected},'
            f"{terms.session_held},{terms.uncached}]"
        )
        if terms.delta or loss != (0, 0):
            middle += _fault(terms.delta, *loss)
        for pool, other, its in others:
            middle += f',"{pool}":{_compact(other[:5])}'
            if other.delta or its != (0, 0):
                middle += _fault(other.delta, *its, f"{pool}_")
    tail = "" if check is None else f',"check":{dumps(check)}'
    if opened:
        tail += f',"verdicts":{_compact(opened)}'
    return (
        f'{{"event":{event},"t":{time},"it":{iteration},"kind":"{kind}"{middle}'
        f',"running":{running},"waiting":{waiting}{tail}}}\n'
    )


def _step_line(time: str) -> str:
    return f'{{"op":"step","t":{time}}}\n'


def prepare(folder: Path) -> None:
    """Make the folder of a run, or say why it cannot be written, before anything has been run."""
    probe = folder / ".part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RecordError(folder, error) from error


def begin(out: Path) -> None:
    """Remove what earlier runs into this folder came to."""
    _forget(out, _TOGETHER)


def _forget(folder: Path, names: Sequence[str]) -> None:
    """Remove what an earlier run has left: it would not be told from what comes if that is broken off."""
    for path in (folder / name for name in names):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise RecordError(path, error) from error


def folder_of(out: Path, scenario: str, variant: str) -> Path:
    """OUT/<scenario>/<variant>; a name that would lead elsewhere is refused."""
    for name in (scenario, variant):
        if name in ("", ".", "..") or "\0" in name or Path(name).name != name:
            raise InputError(f"{out}: the name {name!r} is no folder name; give the scenario another `name:`")
    return out / scenario / variant


def write_whole(path: Path, data: Any) -> None:
    """Write JSON (or text as it is) beside the file, then rename: it is there whole or not at all."""
    text = data if isinstance(data, str) else dumps(data, indent=1) + "\n"
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise RecordError(path, error) from error


def _compact(data: Any) -> str:
    return dumps(data, separators=(",", ":"))


def _lists(report: StepReport) -> str:
    text = ""
    for name in ("finished", "aborted", "retracted", "refused"):
        rids = getattr(report, name)
        if rids:
            text += f',"{name}":{_compact(rids)}'
    return text


def _fault(delta: int, lost: int, extra: int, pool: str = "") -> str:
    pairs = (("delta", delta), ("lost", lost), ("extra", extra))
    return "".join(f',"{pool}{name}":{value}' for name, value in pairs if value)
