"""The docket of one run: during which event something was found, the verdicts opened, who else has seen them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sim.ledger.owners import Context
from sim.ledger.verdicts import Cause, Verdict

MOST_VERDICTS = 1000
_WATCHED = 64
_UNSEEN_BY_CHECKS = ("corrupt", "watermark")


class Docket:
    """Verdicts in the order in which they were opened; beyond the first thousand they are only counted."""

    def __init__(self, at: Context) -> None:
        self.at = at
        self.verdicts: list[Verdict] = []
        self.unlisted = 0
        self.fresh: list[Verdict] = []
        self._undetected: list[Verdict] = []
        self._known: set[str] = set()

    @property
    def full(self) -> bool:
        """Whether further verdicts are only counted."""
        return len(self.verdicts) >= MOST_VERDICTS

    def new(self, key: str) -> bool:
        """Whether this is heard of for the first time."""
        if key in self._known:
            return False
        self._known.add(key)
        return True

    def cause(
        self, what: str, *, request: str | None, session: str | None, units: Sequence[int] = (), count: int = 0
    ) -> Cause:
        """What went wrong in the open event, for somebody."""
        at = self.at
        return Cause(what, at.event, at.iteration, at.time, at.op, request, session, list(units), count)

    def here(self, what: str, units: Sequence[int] = (), count: int = 0) -> Cause:
        """What went wrong in the open event, for whomever it is about."""
        return self.cause(what, request=self.at.request, session=self.at.session, units=units, count=count)

    def open(
        self, kind: str, pool: str, size: int, cause: Cause, message: str, *, invariant: str = ""
    ) -> Verdict:
        """Open a verdict."""
        at = self.at
        verdict = Verdict(
            kind, pool, size, at.event, at.iteration, at.time, cause.request, cause.session, cause, message, invariant,
        )  # fmt: skip
        if self.full:
            self.unlisted += 1
            return verdict
        self.verdicts.append(verdict)
        self.fresh.append(verdict)
        self._undetected.append(verdict)
        return verdict

    def opened(self) -> tuple[Verdict, ...]:
        """The verdicts since the last call."""
        opened, self.fresh = tuple(self.fresh), []
        return opened

    def detected(self, by: str, pools: Collection[str] | None = None) -> None:
        """A check of the release has failed, or the release has: it has seen what sums can show, of these pools."""
        for verdict in self._undetected:
            if verdict.verdict not in _UNSEEN_BY_CHECKS and (pools is None or verdict.pool in pools):
                verdict.detect(by, self.at.event, self.at.iteration)
        self._undetected = [v for v in self._undetected if v.detected_event is None][-_WATCHED:]
