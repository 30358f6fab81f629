"""Logs in the words of a real release: its checks and its reports of batches format them, over pools that we spoil.

    python -m helpers.releaselogs PATH VERSION            one JSON document on stdout: the log of each flow by its name
    python -m helpers.releaselogs PATH VERSION FOLDER     the same as files, as tests/reports/logs/stored has them
"""

from __future__ import annotations

import ast
import json
import logging
import re
import sys
import traceback
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sim.config import MambaConfig, PoolConfig, RunConfig, SchedulerConfig, SwaConfig
from sim.engines.protocol import EngineCrash, Request
from sim.engines.sglang import boundary
from sim.engines.sglang.host import host_of
from sim.engines.sglang.real import RealEngine
from sim.engines.sglang.source import Source
from sim.world import Segment

VERSIONS = ("0.5.10.post1", "0.5.11")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
STEP = 0.5
TURNS = 8
REPORTS = ("report_prefill_stats", "report_decode_stats")
PLACE = "/usr/lib/python3/dist-packages/sglang/srt/"


class Printed(logging.Handler):
    """Keeps what is logged, in the form that a server of that release prints."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.prefix = ""
        self.now = 0.0

    def say(self, message: str) -> None:
        """One record."""
        stamp = BEGIN + timedelta(seconds=int(self.now))
        self.lines.append(f"[{stamp:%Y-%m-%d %H:%M:%S}{self.prefix}] {message}\n")

    def emit(self, record: logging.LogRecord) -> None:
        """One record of the release."""
        self.say(record.getMessage())


def reports(modules: Any) -> dict[str, Any]:
    """The release's own functions that report batches, out of a module that the boundary stands in for."""
    path = Path(modules.source.path) / "sglang/srt/observability/scheduler_metrics_mixin.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kept = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in REPORTS
    ]  # fmt: skip
    module = ast.Module([*ast.parse("from __future__ import annotations").body, *kept], type_ignores=[])
    scope: dict[str, Any] = {
        "time": host_of(modules).clock, "logger": logging.getLogger("sglang.reports"), "defaultdict": defaultdict,
        "DisaggregationMode": modules.scheduler.DisaggregationMode, "LOG_FORWARD_ITERS": False,
        "RECORD_STEP_TIME": False, "ENABLE_METRICS_DEVICE_TIMER": False,
    }  # fmt: skip
    exec(compile(module, str(path), "exec"), scope)
    return {name: scope[name] for name in REPORTS}


class Server:
    """One server of the release, and its log."""

    def __init__(self, modules: Any, printed: Printed, prefix: str, pool: PoolConfig, **knobs: Any) -> None:
        self.printed = printed
        self.now = printed.now = 0.0
        printed.lines, printed.prefix = [], prefix
        settings: dict[str, Any] = {"max_running": 8, "session_gate": False, "busy_check": 0, "overlap": False, **knobs}
        self.engine = RealEngine(modules, RunConfig(pool=pool, scheduler=SchedulerConfig(**settings)))
        self.scheduler = self.engine.scheduler
        checker = vars(sys.modules["sglang.srt.managers.scheduler_runtime_checker_mixin"])
        checker["raise_error_or_warn"] = vars(sys.modules["sglang.srt.utils.common"])["raise_error_or_warn"]
        self._report(modules)
        printed.say(
            f"max_total_num_tokens={pool.tokens}, chunked_prefill_size=-1, max_prefill_tokens=16384, "
            f"max_running_requests={settings['max_running']}, context_len={pool.context}, available_gpu_mem=10.00 GB"
        )

    def _report(self, modules: Any) -> None:
        """Batches are reported as the release does; who was let in, its stand-in does not say."""
        made, found = self.scheduler, reports(modules)
        made.is_stats_logging_rank, made.stats = True, SimpleNamespace()
        made.last_prefill_stats_tic = made.last_decode_stats_tic = -1.0
        made.last_prefill_tokens, made.enable_mfu_metrics = 0, False
        made._graph_backend_label, made.device = "cuda graph", "cuda"
        made.server_args.decode_log_interval = 4

        def prefill(prefill_stats: Any, **given: Any) -> None:
            batch = made.cur_batch
            tokens = batch.extend_num_tokens
            stats = SimpleNamespace(
                log_input_tokens=tokens, log_hit_tokens=sum(req.cached_tokens for req in batch.reqs),
                new_token_ratio=0.7, num_running_reqs=SimpleNamespace(total=len(made.running_batch.reqs)),
                num_new_seqs=len(batch.reqs), num_pending_tokens=0,
            )  # fmt: skip
            found["report_prefill_stats"](made, stats, **given)

        def decode(*given: Any, **named: Any) -> None:
            found["report_decode_stats"](made, *given, **named)

        made.report_prefill_stats, made.report_decode_stats = prefill, decode

    def step(self) -> None:
        """An iteration; of the idle warnings the first of each stretch is printed."""
        self.now += STEP
        self.printed.now = self.now
        self.engine.advance(self.now)
        report = self.engine.step()
        if report.kind != "idle":
            self.scheduler.count_memory_leak_warnings = self.scheduler.count_req_pool_leak_warnings = 0

    def turn(self, rid: str, session: str | None = None, lose: Callable[[], object] = tuple) -> None:
        """A whole turn, what is lost then, and idle iterations after it."""
        self.begin(rid, session)
        while self.engine.progress(rid).state != "finished":
            self.step()
        lose()
        self.step()
        self.step()
        self.step()

    def lose(self, slots: int = 1) -> None:
        """Nobody owns them any more."""
        self.scheduler.token_to_kv_pool_allocator.alloc(slots)

    def close(self, session: str) -> None:
        """A session ends, and a slot is lost with it."""
        self.engine.close(session)
        self.lose()

    def begin(self, rid: str, session: str | None = None, prompt: int = 12, output: int = 6) -> None:
        """A request."""
        text = (Segment(name=rid, length=prompt),)
        self.engine.submit(Request(rid=rid, prompt=text, max_new=output, session=session, ignore_eos=True))

    def log(self) -> str:
        """What was printed."""
        return "".join(self.printed.lines)

    def until_it_raises(self, most: int = 40) -> None:
        """Iterations until the release raises; then it says so as it does."""
        try:
            for _ in range(most):
                self.step()
                alarm = self.engine.alarm
                if alarm is not None:
                    self._died([], f"AssertionError: {alarm[1]}")
                    return
        except EngineCrash as crash:
            cause = crash.__cause__
            frames = traceback.extract_tb(cause.__traceback__) if cause is not None else []
            self._died(list(frames), f"{crash.kind}: {cause if cause is not None else crash.message}")

    def _died(self, frames: list[traceback.FrameSummary], what: str) -> None:
        """As `run_scheduler_process` says it, without the lines of code."""
        places = [frame for frame in frames if "/sglang/srt/" in frame.filename]
        named = [(re.sub(r".*/sglang/srt/", PLACE, frame.filename), frame.lineno, frame.name) for frame in places]
        told = "".join(f'  File "{file}", line {line}, in {name}\n' for file, line, name in named)
        self.printed.say(f"Scheduler hit an exception: Traceback (most recent call last):\n{told}{what.rstrip()}\n")


def plain(**given: Any) -> PoolConfig:
    """A small pool."""
    return PoolConfig(**{"tokens": 400, "rows": 16, "context": 256, **given})


def leak(modules: Any, printed: Printed) -> Server:
    """A token for each turn."""
    server = Server(modules, printed, " TP0", plain())
    for number in range(TURNS):
        server.turn(f"r{number}", lose=server.lose)
    return server


def clean(modules: Any, printed: Printed) -> Server:
    """Nothing is wrong; the books of every iteration are printed."""
    server = Server(modules, printed, "", plain(), busy_check=2)
    for number in range(TURNS):
        server.turn(f"r{number}")
    return server


def sessions(modules: Any, printed: Printed) -> Server:
    """Sessions that are closed; a token is lost with each."""
    server = Server(modules, printed, " DP0 TP1", plain())
    for number in range(4):
        server.engine.open(f"s{number}")
        server.turn(f"s{number}/1", f"s{number}", lambda name=f"s{number}": server.close(name))
    return server


def double(modules: Any, printed: Printed) -> Server:
    """A slot is freed twice: above the total."""
    server = Server(modules, printed, "", plain())
    allocator = server.scheduler.token_to_kv_pool_allocator
    server.turn("r0", lose=lambda: allocator.free(allocator.free_pages[-1:].clone()))
    server.turn("r1")
    return server


def busy(modules: Any, printed: Printed) -> Server:
    """A token is lost while a batch runs, every iteration is checked, and the scheduler raises."""
    server = Server(modules, printed, " TP0", plain(), busy_check=2)
    server.turn("r0")
    server.begin("r1", output=20)
    server.step()
    server.step()
    server.lose()
    server.until_it_raises()
    return server


def strict(modules: Any, printed: Printed) -> Server:
    """The idle check of a server as it is started by default: it raises."""
    server = Server(modules, printed, " TP0", plain(), idle_check="raise")
    server.turn("r0")
    server.lose(3)
    server.until_it_raises()
    return server


def rows(modules: Any, printed: Printed) -> Server:
    """A row is lost."""
    server = Server(modules, printed, "", plain())
    server.turn("r0", lose=lambda: server.scheduler.req_to_token_pool.free_slots.pop())
    server.turn("r1")
    return server


def swa(modules: Any, printed: Printed) -> Server:
    """Windowed slots are lost."""
    server = Server(modules, printed, " TP0", plain(swa=SwaConfig(tokens=200, window=16)))
    allocator = server.scheduler.token_to_kv_pool_allocator.swa_attn_allocator
    for number in range(3):
        server.turn(f"r{number}", lose=lambda: allocator.alloc(2))
    return server


def mamba(modules: Any, printed: Printed) -> Server:
    """A state is lost."""
    server = Server(modules, printed, " TP0", plain(mamba=MambaConfig(slots=24)))
    server.turn("r0", lose=lambda: server.scheduler.req_to_token_pool.mamba_pool.alloc(1))
    server.turn("r1")
    return server


FLOWS = (leak, clean, sessions, double, busy, strict, rows, swa, mamba)


def main(path: str, version: str, folder: str | None = None) -> None:
    """The log of each flow."""
    out = sys.stdout
    sys.stdout = sys.stderr
    printed = Printed()
    logging.root.handlers = [printed]
    logging.root.setLevel(logging.INFO)
    modules = boundary.enter(Source(path=Path(path), version=version, origin="path"))
    logs = {flow.__name__: flow(modules, printed).log() for flow in FLOWS}
    if folder is None:
        out.write(json.dumps(logs))
        return
    for name, text in logs.items():
        Path(folder, f"{name}.log").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
