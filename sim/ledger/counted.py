"""What each owner is counted as, compared with what it owns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sim.ledger.findings import Miscount
from sim.ledger.owners import Tag

Entry = tuple[str, str, int]
"""The term in which an owner is counted, whose count it is, and how many tokens."""
_WORDS = {"full": "private token", "swa": "private SWA token", "mamba": "state"}


def compared(
    true: Mapping[Tag, int], counted: Mapping[Tag, Sequence[Entry]], names: Mapping[Tag, str],
    live: Mapping[Tag, tuple[str, int]], pool: str = "full",
) -> list[Miscount]:  # fmt: skip
    """The owners for which what is counted is not what is true; `names` are sessions, `live` who runs for whom."""
    found: list[Miscount] = []
    for tag in sorted(set(true) | set(counted)):
        entries = counted.get(tag, [])
        total = sum(tokens for _, _, tokens in entries)
        if total != true.get(tag, 0):
            found.append(_miscount(tag, entries, total, true.get(tag, 0), names, live, pool))
    return found


def _miscount(
    tag: Tag, entries: Sequence[Entry], total: int, true: int, names: Mapping[Tag, str],
    live: Mapping[Tag, tuple[str, int]], pool: str,
) -> Miscount:  # fmt: skip
    session = names.get(tag)
    request = next((who for term, who, _ in entries if term == "uncached"), None) or live.get(tag, (None,))[0]
    owner = f"session {session}" if session else f"request {request}"
    owned = f"{true} {_WORDS[pool]}{'' if true == 1 else 's'}"
    if entries:
        terms = " and ".join(f"{tokens} in {term} ({who})" for term, who, tokens in entries)
        text = f"{owner} owns {owned}, the books count {total}: {terms}"
    else:
        text = f"{owner} owns {owned}, the books count none of it"
    return Miscount(session, request, total, true, text, pool)
