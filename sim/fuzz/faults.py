"""Telling faults apart: by verdict, pool and cause, whatever the names and numbers of the case that shows them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sim.cases.simpler import subjects
from sim.engines.marks import Timed
from sim.ledger.verdicts import Verdict

ANY = "…"
_NUMBER = re.compile(r"(?<![\w.])[-+−]?\d+(?:\.\d+)?")
_DETAILS = re.compile(r"\{[^{}]*\}|\[[^\[\]]*\]")
_LIST = re.compile(rf"{ANY}(?:(?:–|, ){ANY})+")
_VERBS = {"is": "are", "was": "were", "stands": "stand", "belongs": "belong", "differs": "differ", "waits": "wait",
          "runs": "run"}  # fmt: skip
_UNITS = re.compile(
    rf"{ANY} (?:private )?(?:SWA )?(?:slot|state|token|row|page|request|position|tombstone)s?\b"
    rf"(?: ({'|'.join(_VERBS)})\b)?"
)
_TWICE = re.compile(rf"( and {ANY} in \w+ \({ANY}\))\1+")


@dataclass(frozen=True, order=True)
class Fault:
    """What a maintainer would call one bug: the verdict, the pool, and the cause without its names and numbers."""

    verdict: str
    pool: str
    cause: str

    def __str__(self) -> str:
        return f"{self.verdict} in pool {self.pool}: {self.cause}"


@dataclass(frozen=True)
class Shown:
    """A fault in one run, and the first verdict that shows it."""

    fault: Fault
    verdict: Verdict


def names_in(actions: Sequence[Timed]) -> list[str]:
    """Every name that a text about these operations may hold, the longest first."""
    return sorted({*subjects(actions)}, key=lambda name: (-len(name), name))


class Telling:
    """Takes the names and numbers of one case out of texts."""

    def __init__(self, actions: Sequence[Timed]) -> None:
        names = names_in(actions)
        # A name that is also a word stands for itself only where a name must follow.
        plain = "|".join(re.escape(name) for name in names if name.isalpha())
        clear = "|".join(re.escape(name) for name in names if not name.isalpha())
        self._clear = re.compile(rf"(?<![\w/.-])(?:{clear})(?![\w/-])") if clear else None
        self._plain = re.compile(rf"((?:\b(?:session|request|turn) |\())(?:{plain})(?![\w/-])") if plain else None

    def cause(self, text: str) -> str:
        """The text with `…` for each name, number and list, in one form for one and for many."""
        text = " ".join(text.split())
        text = _DETAILS.sub(ANY, text)
        if self._clear is not None:
            text = self._clear.sub(ANY, text)
        if self._plain is not None:
            text = self._plain.sub(rf"\1{ANY}", text)
        text = _NUMBER.sub(ANY, text)
        text = _LIST.sub(ANY, text)
        text = _UNITS.sub(lambda unit: f"{ANY} {_VERBS[unit[1]]}" if unit[1] else ANY, text)
        return text.strip().rstrip(",:")

    def fault(self, verdict: Verdict, frames: Sequence[str] = ()) -> Fault:
        """The fault that a verdict shows; `frames` are those of a crash, which may have nothing else to say."""
        cause = self.cause(verdict.cause.what)
        if verdict.verdict == "false-alarm":
            # One after another for each who is counted wrongly: the first is enough; so is a term twice.
            cause = _TWICE.sub(r"\1", cause.partition("; ")[0])
        elif verdict.verdict == "crash" and frames and cause.isalpha():
            cause = f"{cause} in {frames[-1].split()[-1]}"
        return Fault(verdict.verdict, verdict.pool, cause)

    def faults(self, verdicts: Iterable[Verdict], frames: Sequence[str] = ()) -> list[Shown]:
        """What these verdicts show, each fault once, in the order in which they came.

        What one event does for one cause to several pools is one fault.
        """
        return list(self._faults(verdicts, frames))

    def _faults(self, verdicts: Iterable[Verdict], frames: Sequence[str]) -> Iterator[Shown]:
        told: set[Fault] = set()
        parts: set[tuple[int, str, str]] = set()
        for verdict in verdicts:
            fault = self.fault(verdict, frames)
            part = (verdict.event, fault.verdict, fault.cause)
            if fault not in told and part not in parts:
                yield Shown(fault, verdict)
            told.add(fault)
            parts.add(part)
