"""Decision `checks`: the release's own checks: when they run, what they add up, what they print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from sim.engines.protocol import EngineCrash
from sim.scheduler.selfcheck import row_message

if TYPE_CHECKING:
    from sim.engines.protocol import Terms
    from sim.scheduler.selfcheck import View


def _sane_tree(view: View) -> None:
    """At rest no node of a tree with two halves may be locked; the release dies of it whatever it was told to do."""
    if (view.windowed_tree or view.recurrent_tree) and view.locked_at_rest():
        kind = f"{'SWA' if view.windowed_tree else 'Mamba'} Radix tree sanity check failed"
        raise EngineCrash("Exception", f"{kind}: x_lru should not be locked when idle")


class Checks10:
    """0.5.10: rows begin at 0; the idle check runs although requests wait; a closing session takes turns."""

    decision: ClassVar[str] = "checks"
    name: ClassVar[str] = "0.5.10"
    first_row: ClassVar[int] = 0
    idle_needs_empty_queue: ClassVar[bool] = False
    refuses_closing: ClassVar[bool] = False

    def busy(self, view: View) -> str | None:
        """One sum; there is none for a tree with two halves, which has no single size to ask for.

        Without that tree the sum takes what is available in the smaller pool for all, and cannot come out.
        """
        if view.windowed_tree or view.recurrent_tree:
            return None
        terms = view.terms()
        windowed = view.windowed_terms()
        if windowed is not None:
            terms = terms._replace(available=min(terms.available, windowed.available))
        if terms.delta == 0:
            return None
        return f"Mem Leak Detected! total_tokens={terms.sum} vs self.max_total_num_tokens={terms.total}"

    def idle(self, view: View) -> str | None:
        """Available and evictable against the rest, then the rows, then the tree."""
        books = view.idle_books()
        if "swa" in books:
            lost = self._windowed_pools(books)
        else:
            lost = self._recurrent_pools(view, books) if view.recurrent_tree else self._one_pool(books["full"])
        message = f"token_to_kv_pool_allocator memory leak detected! {lost}" if lost else row_message(view)
        _sane_tree(view)
        return message

    def _one_pool(self, terms: Terms) -> str | None:
        if terms.delta == 0:
            return None
        return (
            f"self.max_total_num_tokens={terms.total}, available_size={terms.available}, "
            f"evictable_size={terms.evictable}, protected_size={terms.protected}, session_held={terms.session_held}"
        )

    def _recurrent_pools(self, view: View, books: Mapping[str, Terms]) -> str | None:
        """Of the states none may be in use that the tree does not protect: what sessions hold is not counted."""
        full, states = books["full"], books["mamba"]
        if full.delta == 0 and states.available + states.evictable + states.protected == states.total:
            return None
        return (
            f"full_available_size={full.available}, full_evictable_size={full.evictable}, "
            f"self.token_to_kv_pool_allocator.size={full.total}, "
            f"self.tree_cache.full_protected_size()={full.protected}\n"
            f"mamba_available_size={states.available}, mamba_evictable_size={states.evictable}, "
            f"self.req_to_token_pool.mamba_pool.size={states.total}, "
            f"self.tree_cache.mamba_protected_size()={states.protected}, {view.leaked()}"
        )

    def _windowed_pools(self, books: Mapping[str, Terms]) -> str | None:
        full, swa = books["full"], books["swa"]
        if full.delta == 0 and swa.delta == 0:
            return None
        lines = [f"full_leaked={-full.delta}, swa_leaked={-swa.delta}"]
        for name, terms in (("full", full), ("swa", swa)):
            lines.append(
                f"self.{name}_tokens_per_layer={terms.total}, {name}_available_size={terms.available}, "
                f"{name}_evictable_size={terms.evictable}, {name}_protected={terms.protected}, "
                f"session_held_{name}={terms.session_held}"
            )
        return "\n".join(lines)


class Checks11:
    """0.5.11: rows begin at 1; the idle check waits until nothing waits; a closing session refuses turns."""

    decision: ClassVar[str] = "checks"
    name: ClassVar[str] = "0.5.11"
    first_row: ClassVar[int] = 1
    idle_needs_empty_queue: ClassVar[bool] = True
    refuses_closing: ClassVar[bool] = True

    def _line(self, pool: str, terms: Terms) -> str:
        return (
            f"[{pool}] total={terms.total}, available={terms.available}, evictable={terms.evictable}, "
            f"protected={terms.protected}, session_held={terms.session_held}, uncached={terms.uncached}"
        )

    def busy(self, view: View) -> str | None:
        """The equation of the full pool, then that of the windowed one."""
        for pool, name in (("full", "Full"), ("swa", "SWA")):
            terms = view.terms() if pool == "full" else view.windowed_terms()
            if terms is not None and terms.delta != 0:
                return f"{name} Pool Mem Leak Detected! {self._line(pool, terms)}"
        return None

    def idle(self, view: View) -> str | None:
        """The equations of these pools, then the rows, then the tree."""
        seen = ("full", "swa", "mamba") if view.recurrent_tree else ("full", "swa")
        books = {pool: terms for pool, terms in view.idle_books().items() if pool in seen}
        lines = [self._line(pool, terms) for pool, terms in books.items()]
        if "mamba" in books and books["mamba"].delta:
            lines[-1] += f", {view.leaked()}"
        lost = any(terms.delta for terms in books.values())
        message = "pool memory leak detected! " + "\n".join(lines) if lost else row_message(view)
        _sane_tree(view)
        return message
