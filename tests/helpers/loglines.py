"""Lines of a server's log, made by hand, and what a reader made of them."""

from __future__ import annotations

from reports.logs.drift import per_unit
from reports.logs.rank import ADMITTED


def stamp(second: float, rank: str = "") -> str:
    seconds = int(second)
    clock = f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"[2026-01-{1 + seconds // 86400:02d} {clock}{' ' + rank if rank else ''}] "


def prefill(second: float, rank: str = "") -> str:
    return stamp(second, rank) + (
        "Prefill batch, #new-seq: 1, #new-token: 12, #cached-token: 0, token usage: 0.03, #running-req: 0, "
        "#queue-req: 0, #pending-token: 0, cuda graph: False, input throughput (token/s): 8.00\n"
    )


def decode(second: float, rank: str = "", used: int = 16) -> str:
    return stamp(second, rank) + (
        f"Decode batch, #running-req: 1, #token: {used}, token usage: 0.04, cuda graph: True, "
        "gen throughput (token/s): 1.14, #queue-req: 0\n"
    )


def terms(delta: int = 0, total: int = 400, uncached: int = 0, pool: str = "full") -> str:
    free = total - 17 - uncached + delta
    return (
        f"[{pool}] total={total}, available={free}, evictable=17, protected=0, session_held=0, uncached={uncached}"
    )


def idle(second: float, delta: int, rank: str = "", pools: tuple[str, ...] = ()) -> str:
    """A failing idle check; of the other pools the books balance."""
    more = "".join(f"\n{terms(0, 200, pool=pool)}" for pool in pools)
    return f"{stamp(second, rank)}pool memory leak detected! {terms(delta)}{more}\n"


def busy(second: float, delta: int = 0, rank: str = "") -> str:
    return f"{stamp(second, rank)}[Mem Check (BUSY)] {terms(delta, uncached=5)}\n"


def crash(second: float, what: str, rank: str = "") -> str:
    head = f"{stamp(second, rank)}Scheduler hit an exception: Traceback (most recent call last):\n"
    return f'{head}  File "scheduler.py", line 1, in run_scheduler_process\n    run()\n{what}\n\n'


def begun(second: float, rank: str = "", tokens: int = 400) -> str:
    return f"{stamp(second, rank)}max_total_num_tokens={tokens}, chunked_prefill_size=-1, context_len=256\n"


def leaking(rank: str = "", turns: int = 12, each: int = 1) -> list[str]:
    """A token for each turn, seen at the idle check after it; record by record."""
    records = [begun(0, rank)]
    for turn in range(turns):
        at = 10 * turn
        records += [prefill(at, rank), decode(at + 2, rank), idle(at + 5, -each * (turn + 1), rank)]
    return records


def sound(rank: str = "", turns: int = 12) -> list[str]:
    """The same without a fault, its books printed while it is busy."""
    records = [begun(0, rank)]
    for turn in range(turns):
        records += [prefill(10 * turn, rank), busy(10 * turn, 0, rank), decode(10 * turn + 2, rank)]
    return records


def diagnosis(result) -> list[tuple]:
    """Each finding: verdict, pool, size, ranks, whether it is sure, and its slope for each admitted request."""
    return [(f.verdict, f.pool, f.size, f.ranks, f.sure, _slope(f)) for f in result.findings]


def _slope(finding) -> float | None:
    return next((round(drift.slope, 6) for drift in finding.drift if drift.unit == ADMITTED), None)


def named_unit(finding) -> tuple[str, float] | None:
    """The unit that explains a drift, as it is told."""
    unit = per_unit(finding.drift)
    return None if unit is None else (unit.unit, round(unit.slope, 6))
