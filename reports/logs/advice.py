"""What would have said more: the settings of the released servers that the log shows to be missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reports.logs.diagnosis import Finding
from reports.logs.gather import Log
from reports.logs.rank import ABORTED, DECODES, FINISHED


@dataclass(frozen=True, slots=True)
class Advice:
    """A setting, and what it would have told."""

    setting: str
    why: str


def advice(log: Log, findings: tuple[Finding, ...]) -> tuple[Advice, ...]:
    """In the order in which they would help."""
    return tuple(_advice(log, findings))


def _advice(log: Log, findings: tuple[Finding, ...]) -> Iterator[Advice]:
    if not log.seen["busy lines"]:
        yield Advice(
            "SGLANG_ENABLE_STRICT_MEM_CHECK_DURING_BUSY=2",
            "states the terms after every iteration, so that the break has an iteration; with =1 they are checked and "
            "not stated. Either ends the server at the first failure. Not with several speculative branches; in 0.5.10 "
            "with a plain pool only",
        )
    if any(finding.verdict in ("leak", "crash") and finding.off <= 1 for finding in findings):
        yield Advice(
            "SGLANG_ENABLE_STRICT_MEM_CHECK_DURING_IDLE=0",
            "warns at the first failing idle check and at each thousandth after it instead of ending the server: "
            "whether it persists, and how it grows",
        )
    interval = log.settings.get("decode_log_interval", "40")
    if interval != "1" and any(rank.counts[DECODES] for rank in log.lives()):
        yield Advice(
            "--decode-log-interval 1",
            f"every decode batch instead of every {interval}th: running requests and tokens in use, step by step",
        )
    if not log.seen[ABORTED] and log.settings.get("log_level", "info") != "debug":
        yield Advice("--log-level debug", "names each request that is aborted; at the level info aborts are not said")
    if not log.answered and not log.seen[FINISHED]:
        yield Advice(
            "--enable-request-time-stats-logging",
            "a line for each request that ends, which a drift can be counted against",
        )
    if findings:
        yield Advice(
            "SGLANG_LOG_FORWARD_ITERS=1 SGLANG_LOG_MS=1",
            "number batch lines by iteration, and stamp lines to the millisecond",
        )
        yield Advice(
            "kvledger fuzz --engine sglang --sglang-src TREE",
            "audits every event of random runs on the same sources: which event loses what, which no log can say",
        )
