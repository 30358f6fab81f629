"""A release as a set of decisions; each decision is one protocol, its variants live in `policies/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from sim.scheduler.controller import SessionController
    from sim.scheduler.memory import Memory
    from sim.scheduler.request import Req
    from sim.scheduler.retract import Survivors
    from sim.scheduler.selfcheck import View
    from sim.scheduler.session import Session, SessionSlot, SlotBook
    from sim.scheduler.streaming import StreamingCache


class Decision(Protocol):
    """What every variant has: the decision it belongs to and its own name."""

    decision: ClassVar[str]
    name: ClassVar[str]


class Held(Decision, Protocol):
    """Which slots count as `session_held`, and which requests as `uncached`."""

    counts_rowless: ClassVar[bool]

    def restored(self, slot: SessionSlot) -> None:
        """A turn was lent this slot."""

    def saved(self, slot: SessionSlot) -> None:
        """A turn gave its row to this slot."""

    def tokens(self, book: SlotBook, active_rows: set[int]) -> int:
        """`session_held`, given the rows of the requests in batches."""


class History(Decision, Protocol):
    """When a turn becomes the session's history, and how many turns may be live."""

    def refuse(self, session: Session) -> str | None:
        """Why a new turn is refused on arrival, if it is."""

    def created(self, session: Session, req: Req) -> None:
        """A turn was made and accepted."""

    def finished(self, session: Session, req: Req) -> None:
        """A turn gave its KV to the slot."""

    def aborted(self, session: Session) -> None:
        """A turn ended without becoming history."""


class PreAbort(Decision, Protocol):
    """What the matcher does for a turn that was refused on arrival."""

    def restores(self, cache: StreamingCache, req: Req) -> bool:
        """Whether the turn is lent the slot; may detach it from its session."""


class AbortTurn(Decision, Protocol):
    """What becomes of the KV of a turn that is aborted while it runs."""

    def finish(self, cache: StreamingCache, req: Req, slot: SessionSlot | None) -> bool:
        """Dispose of it; False leaves it to the ordinary end of a turn."""


class FinishedFlags(Decision, Protocol):
    """Whether a finished turn is marked as freed."""

    def mark(self, req: Req) -> None:
        """The turn's KV now belongs to the slot."""


class Tail(Decision, Protocol):
    """How much of a slot a turn resumes, and what becomes of the rest."""

    def prefix(self, committed: int, key_len: int, protected: int) -> int:
        """Tokens that the turn reuses."""

    def resumed(self, cache: StreamingCache, slot: SessionSlot, req: Req, prefix: int) -> None:
        """The turn is about to overwrite the row from `prefix` on."""

    def released(self, cache: StreamingCache, slot: SessionSlot) -> None:
        """A turn has just given its row to the slot."""


class Overshoot(Decision, Protocol):
    """What is done with KV beyond the end of the text when a turn finishes."""

    def trim(self, cache: StreamingCache, req: Req) -> None:
        """Before the slot is saved."""


class Closing(Decision, Protocol):
    """Closing a session whose turn is still in flight."""

    def close(self, controller: SessionController, session: Session) -> None:
        """Close it, or note that it is to be closed."""


class AdmissionRevert(Decision, Protocol):
    """What becomes of the state that a match copied for a request that is then refused."""

    def refused(self, memory: Memory, req: Req) -> None:
        """The admission loop stops at this request, which was not added."""


class Leftover(Decision, Protocol):
    """The recurrent states of a session that closes."""

    def closed(self, memory: Memory, slot: SessionSlot, *, in_use: bool) -> None:
        """KV and row have been given back; `in_use` says that a turn still runs on the row."""


class SpecReserve(Decision, Protocol):
    """The bonus slot of speculative rounds under overlap."""

    preclaim: ClassVar[int]
    gated: ClassVar[bool]


class Admission(Decision, Protocol):
    """How the prefill adder counts, where the releases differ."""

    limit_spares_chunk: ClassVar[bool]
    emptied_is_not_full: ClassVar[bool]
    retract_forgets_protected: ClassVar[bool]
    pools_apart: ClassVar[bool]
    spare_pages: ClassVar[bool]
    spares_leaf: ClassVar[bool]

    def page_reserve(self, page_size: int) -> int:
        """What the test of a request reserves for page alignment."""

    def spec_v2_need(
        self, committed: Any, allocated: Any, alloc_len: int, page_size: int, v1_need: int
    ) -> int:
        """Tokens that the next speculative round under overlap is expected to need."""


class WindowEviction(Decision, Protocol):
    """How far behind a request's length its windowed KV is given back, and how often decode looks."""

    def margin(self, page_size: int) -> int:
        """Tokens that are left behind the window."""

    def interval(self, window: int, page_size: int, multiplier: float) -> int:
        """Decode steps from one look to the next."""


class EvictionClock(Decision, Protocol):
    """How long a request is for window eviction."""

    counts_reserved: ClassVar[bool]

    def lengths(self, hot: Any, index: Any) -> Any:
        """Tokens of these columns of the table; with `counts_reserved` asked for once the step has its slots."""


class Checks(Decision, Protocol):
    """The release's own checks: when they run, what they add up, what they print."""

    first_row: ClassVar[int]
    idle_needs_empty_queue: ClassVar[bool]
    refuses_closing: ClassVar[bool]

    def busy(self, view: View) -> str | None:
        """The failure message of the busy check, if it fails."""

    def idle(self, view: View) -> str | None:
        """The failure message of the idle check, if it fails."""


class TokenRatio(Decision, Protocol):
    """The share of its maximal output that a running request is expected to need."""

    def start(self, conservativeness: float) -> float:
        """Initially, and whenever the scheduler is idle."""

    def decayed(self, ratio: float, conservativeness: float) -> float:
        """After a decode step without a retract."""

    def after_retract(self, survivors: Survivors, steps: int) -> float:
        """After a retract."""


class Victims(Decision, Protocol):
    """Who is retracted first."""

    def order(self, reqs: list[Req], speculative: bool) -> list[int]:
        """Indices; the last one goes first."""


class EvictionOrder(Decision, Protocol):
    """Which unlocked leaf of the tree goes first."""

    def key(self, node: Any) -> Any:
        """The node's place: the smallest goes first."""


class QueueOrder(Decision, Protocol):
    """The order in which waiting requests are tried."""

    cache_aware: ClassVar[bool]

    def sort(self, queue: list[Req], context: Any) -> None:
        """Sort the queue in place."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release: its name, the changes in it, and a variant for each decision."""

    name: str
    base: str
    fixes: frozenset[int]
    reverted: tuple[int, ...] = ()
    added: tuple[int, ...] = ()
    held: Held
    history: History
    preabort: PreAbort
    abort: AbortTurn
    flags: FinishedFlags
    tail: Tail
    overshoot: Overshoot
    closing: Closing
    revert: AdmissionRevert
    leftover: Leftover
    reserve: SpecReserve
    admission: Admission
    window: WindowEviction
    clock: EvictionClock
    checks: Checks
    ratio: TokenRatio
    victims: Victims
    order: QueueOrder | None = None
    eviction: EvictionOrder | None = None
    orders: Mapping[str, type[QueueOrder]]
    evictions: Mapping[str, type[EvictionOrder]]
