"""Decision `checks`: the release's own checks: when they run, what they add up, what they print."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sim.scheduler.selfcheck import row_message

if TYPE_CHECKING:
    from sim.engines.protocol import Terms
    from sim.scheduler.selfcheck import View


class Checks10:
    """0.5.10: rows begin at 0; the idle check runs although requests wait; a closing session takes turns."""

    decision: ClassVar[str] = "checks"
    name: ClassVar[str] = "0.5.10"
    first_row: ClassVar[int] = 0
    idle_needs_empty_queue: ClassVar[bool] = False
    refuses_closing: ClassVar[bool] = False

    def busy(self, view: View) -> str | None:
        """One sum."""
        terms = view.terms()
        if terms.delta == 0:
            return None
        return f"Mem Leak Detected! total_tokens={terms.sum} vs self.max_total_num_tokens={terms.total}"

    def idle(self, view: View) -> str | None:
        """Available and evictable against the rest, then the rows."""
        terms = view.idle_terms()
        if terms.delta == 0:
            return row_message(view)
        return (
            "token_to_kv_pool_allocator memory leak detected! "
            f"self.max_total_num_tokens={terms.total}, available_size={terms.available}, "
            f"evictable_size={terms.evictable}, protected_size={terms.protected}, session_held={terms.session_held}"
        )


class Checks11:
    """0.5.11: rows begin at 1; the idle check waits until nothing waits; a closing session refuses turns."""

    decision: ClassVar[str] = "checks"
    name: ClassVar[str] = "0.5.11"
    first_row: ClassVar[int] = 1
    idle_needs_empty_queue: ClassVar[bool] = True
    refuses_closing: ClassVar[bool] = True

    def _line(self, terms: Terms) -> str | None:
        if terms.delta == 0:
            return None
        return (
            f"[full] total={terms.total}, available={terms.available}, evictable={terms.evictable}, "
            f"protected={terms.protected}, session_held={terms.session_held}, uncached={terms.uncached}"
        )

    def busy(self, view: View) -> str | None:
        """The equation of the full pool."""
        line = self._line(view.terms())
        return f"Full Pool Mem Leak Detected! {line}" if line else None

    def idle(self, view: View) -> str | None:
        """The equation of the full pool, then the rows."""
        line = self._line(view.idle_terms())
        return f"pool memory leak detected! {line}" if line else row_message(view)
