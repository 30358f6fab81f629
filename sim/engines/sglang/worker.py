"""The worker process: one source, one set of fixes taken out, one engine after the other.

    python -m sim.engines.sglang.worker SOURCE VERSION ORIGIN [REVERT,REVERT]

Standard output carries answers and nothing else: whatever the release prints goes to standard error.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from sim.engines.protocol import Engine
from sim.engines.sglang import wire
from sim.engines.sglang.process import DUMP
from sim.engines.sglang.server import Begin, MakeEngine, MakeWatch, broken, serve

if TYPE_CHECKING:
    from sim.engines.sglang.source import Origin

_WATCH = 1.0


def take_streams() -> tuple[IO[bytes], IO[bytes]]:
    """The pipes of the wire, out of reach of whoever prints to standard output or reads standard input."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def end_with_parent() -> None:
    """Watch from a thread: a worker that is busy for ever does not see that nobody asks any more."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run(prepare: Callable[[], tuple[MakeEngine, MakeWatch | None]]) -> None:
    """Say hello, or what does not fit; then serve until nobody asks any more."""
    requests, answers = take_streams()
    faulthandler.register(DUMP, all_threads=False)
    end_with_parent()
    try:
        make_engine, make_watch = prepare()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        answers.write(wire.pack(broken(error)))
        answers.flush()
        os._exit(0)
    answers.write(wire.pack({"value": "ready"}))
    answers.flush()
    serve(make_engine, requests, answers, make_watch)
    # Nothing is left to be cleaned up, and the interpreter would take its time over torch.
    os._exit(0)


def enter(path: Path, version: str, origin: Origin, reverts: tuple[int, ...]) -> tuple[MakeEngine, MakeWatch | None]:
    """Import the release; what makes its engines, and what watches them."""
    from sim.engines.sglang import boundary
    from sim.engines.sglang.real import RealEngine
    from sim.engines.sglang.source import Source
    from sim.engines.sglang.watch import Watch

    modules = boundary.enter(Source(path=path, version=version, origin=origin), reverts=reverts)

    def make_engine(begin: Begin) -> Engine:
        return RealEngine(modules, begin.config)

    def make_watch(engine: Any) -> Watch:
        return Watch(engine)

    return make_engine, make_watch


def main(arguments: Sequence[str]) -> None:
    """Serve one release."""
    path, version, origin = arguments[:3]
    reverts = tuple(int(number) for number in arguments[3].split(",")) if len(arguments) > 3 else ()
    run(lambda: enter(Path(path), version, cast("Origin", origin), reverts))


if __name__ == "__main__":
    main(sys.argv[1:])
