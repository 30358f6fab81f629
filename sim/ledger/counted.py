"""What each owner, and each node of the tree, is counted as, compared with what it owns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sim.ledger.findings import Miscount
from sim.ledger.owners import Tag

Entry = tuple[str, str, int]
"""The term in which an owner is counted, whose count it is, and how many tokens."""
_WORDS = {"full": "private token", "swa": "private SWA token", "mamba": "state"}
_IN_TREE = {"full": "token", "swa": "SWA token", "mamba": "state"}
_MOST_NODES = 4
_MOST_RUNS = 3


@dataclass(frozen=True, slots=True)
class Kept:
    """A node of the tree, its text `[start, stop)` of the path: what it is counted as in a pool, and what it owns."""

    start: int
    stop: int
    slots: Sequence[int]
    locked: bool
    counted: int
    owned: int


def in_tree(nodes: Iterable[Kept], claimed: int, pool: str) -> list[Miscount]:
    """The nodes that are not counted as what they own; and the tree, if its counters claim another sum than theirs."""
    kept = sorted(nodes, key=lambda node: (node.start, node.stop, tuple(node.slots)))
    wrong = [node for node in kept if node.counted != node.owned]
    found = [_of_node(node, pool) for node in wrong[:_MOST_NODES]]
    rest = wrong[_MOST_NODES:]
    if rest:
        counted, owned = sum(node.counted for node in rest), sum(node.owned for node in rest)
        text = f"{len(rest)} more nodes of the tree own {_many(owned, pool)}, the books count {counted}"
        found.append(Miscount(None, None, counted, owned, text, pool))
    true = sum(node.counted for node in kept)
    if claimed != true:
        text = f"the tree has {_many(true, pool)} in its nodes, its counters say {claimed}"
        found.append(Miscount(None, None, claimed, true, text, pool))
    return found


def _of_node(node: Kept, pool: str) -> Miscount:
    term = "protected" if node.locked else "evictable"
    text = (
        f"the tree's node of positions {node.start} to {node.stop - 1}, slots {_runs(node.slots)}, owns "
        f"{_many(node.owned, pool)}, the books count {node.counted} in {term}"
    )
    return Miscount(None, None, node.counted, node.owned, text, pool)


def _many(count: int, pool: str) -> str:
    return f"{count} {_IN_TREE[pool]}{'' if count == 1 else 's'}"


def _runs(slots: Sequence[int]) -> str:
    """Slots in their order, neighbours as a range; the first few ranges."""
    runs: list[list[int]] = []
    for slot in slots:
        if runs and slot == runs[-1][1] + 1:
            runs[-1][1] = slot
        else:
            runs.append([slot, slot])
    shown = [str(first) if first == last else f"{first}–{last}" for first, last in runs[:_MOST_RUNS]]
    return ", ".join(shown) + (", …" if len(runs) > _MOST_RUNS else "")


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
        only = "only " if total < true else ""
        text = f"{owner} owns {owned}, the books count {only}{total}: {terms}"
    else:
        text = f"{owner} owns {owned}, the books count none of it"
    return Miscount(session, request, total, true, text, pool)
