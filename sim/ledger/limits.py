"""INV-4 in numbers: what the cursors of one request or slot may say, whoever read them.

0 ≤ p ≤ c ≤ a ≤ row width, p on a page boundary; with a windowed pool also e ≤ a, e on a page boundary
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sim.ledger.findings import Breach


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What cursors are held against."""

    page: int
    width: int
    windowed: bool

    def request(self, rid: str, session: str | None, p: int, c: int, a: int, e: int) -> Iterator[Breach]:
        """The cursors of a live request that are out of order."""
        if not p <= c <= a <= self.width or p % self.page:
            yield Breach(
                "INV-4", f"request {rid}",
                f"request {rid}: p={p}, c={c}, a={a}, row width {self.width}; "
                "0 ≤ p ≤ c ≤ a ≤ width, p on a page boundary, does not hold",
                rid, session, min(c - p, a - c, self.width - a),
            )  # fmt: skip
        yield from self._evicted(e, a, f"request {rid}", rid, session)

    def slot(self, name: str, p: int, c: int, a: int, e: int) -> Iterator[Breach]:
        """The cursors of a session's slot that are out of order."""
        if not 0 <= p <= c <= a <= self.width or p % self.page:
            yield Breach(
                "INV-4", f"session {name}",
                f"slot of session {name}: p={p}, c={c}, a={a}; 0 ≤ p ≤ c ≤ a ≤ width does not hold",
                None, name, min(c - p, a - c, self.width - a),
            )  # fmt: skip
        yield from self._evicted(e, a, f"slot of session {name}", None, name)

    def _evicted(self, e: int, a: int, who: str, request: str | None, session: str | None) -> Iterator[Breach]:
        """How far the window has freed: never beyond what is allocated, always whole pages."""
        if self.windowed and (e > a or e % self.page):
            whole = "" if self.page == 1 else f", e on a boundary of pages of {self.page}"
            yield Breach(
                "INV-4", f"e of {who}", f"{who}: e={e}, a={a}; e ≤ a{whole}, does not hold", request, session,
                min(a - e, 0) or -(e % self.page), "swa",
            )  # fmt: skip
