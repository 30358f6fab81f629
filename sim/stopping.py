"""Ctrl-C and SIGTERM end a command, but never in the middle of something that belongs together."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType

_STOPS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
"""Who handles them as long as nobody wants anything else of them."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends a command as Ctrl-C does."""


@contextlib.contextmanager
def heeded() -> Iterator[None]:
    """Both end what is done here; unless whoever has started us, or embeds us, wants something else of them."""
    ours = threading.current_thread() is threading.main_thread()
    former = {number: handler for number, handler in _STOPS.items() if ours and signal.getsignal(number) is handler}
    for number in former:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


class _Undisturbed:
    """What is done in here is done to its end; a stop that came meanwhile comes then."""

    def __init__(self) -> None:
        self.depth = 0
        self.stop: KeyboardInterrupt | None = None

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.depth -= 1
        if self.stop is not None and not self.depth:
            stop, self.stop = self.stop, None
            raise stop


undisturbed = _Undisturbed()


def _stop(number: int, frame: FrameType | None) -> None:
    stop = Terminated() if number == signal.SIGTERM else KeyboardInterrupt()
    if undisturbed.depth:
        undisturbed.stop = stop
    else:
        raise stop
