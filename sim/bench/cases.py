"""What is measured. References and measurements alternate, and the least of each counts: noise only adds."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sim.bench.load import drawn_iteration, per_iteration, recorded, steady, timeout_cost, unaudited, with_all_pools
from sim.bench.logs import counting_cost, log_cost, write_log
from sim.retrace import retrace

ROUNDS = 5
WIDTH = 74
ITERATIONS = 8192


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One ratio and its bound."""

    name: str
    ratio: float
    bound: float
    note: str

    @property
    def holds(self) -> bool:
        """Whether it is within its bound."""
        return self.ratio <= self.bound

    def line(self) -> str:
        """One line of the table."""
        mark = "ok" if self.holds else "OVER"
        return f"{self.name:<{WIDTH}}{self.ratio:>9.2f}{self.bound:>9.2f}  {mark:4}{self.note}"


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A ratio that cannot be measured here, and why."""

    name: str
    reason: str

    def line(self) -> str:
        """One line of the table."""
        return f"{self.name}  skipped: {self.reason}"


def least(*measures: Callable[[], float], rounds: int = ROUNDS) -> list[float]:
    """The least of several rounds of each, the rounds interleaved."""
    rows = [[measure() for measure in measures] for _ in range(rounds)]
    return [min(column) for column in zip(*rows, strict=True)]


def iterations() -> Iterator[Figure]:
    """An iteration with checks at every event, in bare SimPy timeouts."""
    for batch, bound in ((32, 75.0), (256, 150.0)):
        config = steady(batch)
        unit, cost = least(timeout_cost, partial(per_iteration, config, batch, ITERATIONS))
        yield Figure(
            name=f"iteration, batch {batch}, checks at every event / SimPy timeout", ratio=cost / unit, bound=bound,
            note=f"{1 / cost:,.0f} iterations/s",
        )  # fmt: skip


def all_pools() -> Iterator[Figure]:
    """The same with windowed layers and recurrent states, and snapshots of these."""
    config = with_all_pools(steady(32))
    unit, cost = least(timeout_cost, partial(per_iteration, config, 32, ITERATIONS))
    yield Figure(
        name="iteration, all pools in use, batch 32 / SimPy timeout", ratio=cost / unit, bound=110.0,
        note=f"{1 / cost:,.0f} iterations/s",
    )  # fmt: skip


def fuzzing() -> Iterator[Figure]:
    """An iteration of the fuzzer: drawn, played, checked and counted, in bare SimPy timeouts."""
    unit, cost = least(timeout_cost, partial(drawn_iteration, 48), rounds=3)
    yield Figure(
        name="iteration of a drawn case, checked / SimPy timeout", ratio=cost / unit, bound=480.0,
        note=f"{3600 / cost / 1e6:,.1f} million per core-hour",
    )  # fmt: skip


def _compared(
    name: str, bound: float, reference: Callable[[], float], measured: Callable[[], float], rounds: int = ROUNDS
) -> Figure:
    """Two costs per iteration, the second as a multiple of the first."""
    base, cost = least(reference, measured, rounds=rounds)
    return Figure(name=name, ratio=cost / base, bound=bound, note=f"{base * 1e6:.1f} → {cost * 1e6:.1f} µs")


def checks() -> Iterator[Figure]:
    """Checks at every event against the same run without an auditor."""
    for batch in (32, 256):
        config = steady(batch)
        yield _compared(
            f"checks at every event / without checks, batch {batch}",
            1.15,
            partial(per_iteration, unaudited(config), batch, ITERATIONS),
            partial(per_iteration, config, batch, ITERATIONS),
        )


def event_log() -> Iterator[Figure]:
    """The event log, operations and series against none."""
    config = steady(32)
    with tempfile.TemporaryDirectory() as folder:
        yield _compared(
            "event log on / off, batch 32",
            1.25,
            partial(per_iteration, config, 32, ITERATIONS),
            partial(per_iteration, config, 32, ITERATIONS, out=Path(folder)),
        )


def inside() -> Iterator[Figure]:
    """Looking inside a run that was written down against the run."""
    iterations = 40_000
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        run, look = least(partial(_run_cost, out, iterations), partial(_look_cost, out), rounds=3)
    yield Figure(
        name="looking inside a run / the run, 40 000 iterations", ratio=look / run, bound=1.5,
        note=f"{run:.1f} → {look:.1f} s",
    )  # fmt: skip


def _run_cost(out: Path, iterations: int) -> float:
    start = time.process_time()
    recorded(out, iterations, audit="idle")
    return time.process_time() - start


def _look_cost(out: Path) -> float:
    start = time.process_time()
    retrace(out)
    return time.process_time() - start


def sessions() -> Iterator[Figure]:
    """Idle open sessions must not cost anything per event."""
    yield _compared(
        "100 000 idle sessions / 100, per iteration",
        1.2,
        partial(per_iteration, steady(32), 32, ITERATIONS, sessions=100),
        partial(per_iteration, steady(32), 32, ITERATIONS, sessions=100_000),
        rounds=3,
    )


def pool_size() -> Iterator[Figure]:
    """A large pool must not cost more per event than a small one."""
    yield _compared(
        "pool of 10 000 000 slots / 10 000, per iteration",
        1.2,
        partial(per_iteration, steady(8, tokens=10_000), 8, ITERATIONS),
        partial(per_iteration, steady(8, tokens=10_000_000), 8, ITERATIONS),
        rounds=3,
    )


def memory() -> Iterator[Figure]:
    """Memory of a run after a million iterations against after a tenth of them."""
    seen: dict[int, int] = {}

    def look(mark: int) -> None:
        seen[mark] = _resident()

    with tempfile.TemporaryDirectory() as folder:
        per_iteration(steady(4), 4, 1_000_000, out=Path(folder), notice=look)
    marks = sorted(seen)
    early, late = seen[marks[len(marks) // 10]], seen[marks[-1]]
    yield Figure(
        name="resident memory after 1 000 000 events / after 100 000", ratio=late / early, bound=1.05,
        note=f"{early / 2**20:.0f} → {late / 2**20:.0f} MiB",
    )  # fmt: skip


def _resident() -> int:
    """Bytes of memory that this process has in use; 1 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 1
    return pages * 4096


def logs() -> Iterator[Figure]:
    """Reading the log of a server against counting its lines."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "server.log"
        count = write_log(path, 20_000)
        unit, cost = least(partial(counting_cost, path), partial(log_cost, path), rounds=3)
    yield Figure(
        name="kvledger log, a line of a log / counting lines", ratio=cost / unit, bound=100.0,
        note=f"{count / cost:,.0f} lines/s",
    )  # fmt: skip


def start_up() -> Iterator[Figure]:
    """Commands that need no tensors answer at once: torch is imported when it is needed."""
    code = "from sim.cli import main; raise SystemExit(main())"
    for command in (["--help"], ["schema"], ["list", "fixes"]):
        seconds = min(_wall([sys.executable, "-c", code, *command]) for _ in range(3))
        yield Figure(
            name=f"kvledger {' '.join(command)} / 0.4 s", ratio=seconds / 0.4, bound=1.0, note=f"{seconds:.2f} s"
        )


def _wall(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


CASES: tuple[Callable[[], Iterator[Figure]], ...] = (
    iterations, all_pools, fuzzing, checks, event_log, inside, sessions, pool_size, memory, logs,
    start_up,
)  # fmt: skip
