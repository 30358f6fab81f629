"""A log as a busy server prints it, and what it costs to read one."""

from __future__ import annotations

import time
from pathlib import Path

from reports.logs import examine

_TURN = (
    "[{at} TP0] Prefill batch, #new-seq: 1, #new-token: 812, #cached-token: 64, token usage: 0.03, #running-req: 9, "
    "#queue-req: 0, #pending-token: 0, cuda graph: False, input throughput (token/s): 8120.55\n"
    "[{at} TP0] Decode batch, #running-req: 10, #token: {used}, token usage: 0.04, cuda graph: True, "
    "gen throughput (token/s): 1514.14, #queue-req: 0\n"
    "[{at}] INFO:     10.0.0.1:4711 - \"GET /health HTTP/1.1\" 200 OK\n"
    "[{at}] INFO:     10.0.0.1:4711 - \"POST /v1/chat/completions HTTP/1.1\" 200 OK\n"
)
_CHECK = (
    "[{at} TP0] pool memory leak detected! [full] total=1000000, available={free}, evictable=0, protected=0, "
    "session_held=0, uncached=0\n"
)


def write_log(path: Path, turns: int) -> int:
    """A log of so many turns, a token lost in every hundredth; how many lines it has."""
    lines = 0
    with path.open("w", encoding="ascii") as file:
        for turn in range(turns):
            at = f"2026-01-{1 + turn // 86400:02d} {turn // 3600 % 24:02d}:{turn // 60 % 60:02d}:{turn % 60:02d}"
            file.write(_TURN.format(at=at, used=turn % 9000))
            lines += 4
            if turn % 100 == 99:
                file.write(_CHECK.format(at=at, free=1_000_000 - turn // 100))
                lines += 1
    return lines


def log_cost(path: Path) -> float:
    """Seconds (of processor time) to read it."""
    start = time.process_time()
    examine(path)
    return time.process_time() - start


def counting_cost(path: Path) -> float:
    """Seconds to count its lines."""
    start = time.process_time()
    with path.open("rb") as file:
        sum(1 for _ in file)
    return time.process_time() - start
