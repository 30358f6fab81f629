"""Code in a process of its own, forked from one that has paid for the imports already; it must not touch ours."""

from __future__ import annotations

import multiprocessing
import os
import sys
import traceback
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["torch", "sim.engines.sglang.boundary", "sim.engines.model", "policies.releases"])


def run_apart(code: str, environment: dict[str, str], out: Path) -> str:
    """What `code` prints; an error of it is an error here."""
    process = CONTEXT.Process(target=_run, args=(code, environment, str(out)))
    process.start()
    process.join(timeout=120)
    if process.is_alive():
        process.kill()
    assert process.exitcode == 0, out.with_suffix(".err").read_text()[-3000:]
    return out.read_text()


def _run(code: str, environment: dict[str, str], out: str) -> None:
    for stream, name in ((sys.stdout, out), (sys.stderr, str(Path(out).with_suffix(".err")))):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), stream.fileno())
    os.environ.update(environment)
    try:
        exec(compile(code, "<inside>", "exec"), {"__name__": "__main__"})
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    finally:
        sys.stdout.flush()
