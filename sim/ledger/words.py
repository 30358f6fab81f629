"""The words for what pools are made of, and for their books."""

from __future__ import annotations

from collections.abc import Mapping

from sim.engines.protocol import Terms

_UNITS = {"full": "slot", "swa": "SWA slot", "mamba": "state", "rows": "row", "queue": "request"}


def several(count: int, pool: str, verb: str = "") -> str:
    """`1 slot`, `3 SWA slots`; with `are` or `were` as the verb, `1 slot is`, `3 states are`."""
    words = [str(count), _UNITS.get(pool, "slot") + ("" if count == 1 else "s")]
    if verb:
        words.append(_ONE[verb] if count == 1 else verb)
    return " ".join(words)


_ONE = {"are": "is", "were": "was", "stand": "stands", "belong": "belongs"}


def misread(
    rid: str, position: int, token: int, pool: str, slot: int, held: str, count: int, whose: str = ""
) -> str:
    """A position of a request that holds something else than its token; slot 0 is padding, which nobody owns."""
    kind = _UNITS[pool]
    found = f"{kind} {slot}{whose} holds {held}" if slot else f"{kind} 0 stands there, which is padding"
    differ = "1 position differs" if count == 1 else f"{count} positions differ"
    return f"position {position} of request {rid} should hold token {token}; {found}; {differ}"


def of_pool(pool: str) -> str:
    """A pool's name behind another word; nothing for the full pool, which goes without saying."""
    return "" if pool == "full" else f" {pool}"


def equation(terms: Terms) -> str:
    """The books of a pool in words."""
    return (
        f"available {terms.available} + evictable {terms.evictable} + protected {terms.protected} + session_held "
        f"{terms.session_held} + uncached {terms.uncached} = {terms.sum}, total {terms.total}, off by {terms.delta:+d}"
    )


def equations(books: Mapping[str, Terms]) -> str:
    """The books of all pools in words."""
    return "; ".join(
        equation(terms) if pool == "full" else f"{pool}: {equation(terms)}" for pool, terms in books.items()
    )
