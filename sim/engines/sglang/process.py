"""A worker process: lines go in, lines come out, within a bound; whatever happens, nothing of it is left behind.

All three pipes are served by one loop without blocking: neither a release that prints a lot nor many messages on
their way can make both sides wait for each other.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import time
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[3]
_CHUNK = 1 << 16
_LAST_LINES = 50
_GRACE = 2.0
_TELLING = 0.5
_INNERMOST = 3
DUMP = signal.SIGUSR1
"""Asks a worker to write its stack to standard error."""
_FRAME = re.compile(r' *File "(.+)", line (\d+) in (.+)')


class Hung(Exception):
    """No answer within the bound; `frames` is where the process was, outermost first, if it could tell."""

    kind = "Hang"

    def __init__(self, message: str, frames: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.frames = tuple(frames)


class Died(Exception):
    """The process ended without an answer; says how, and what it wrote last."""

    kind = "Died"
    frames: tuple[str, ...] = ()


class Worker:
    """One process that answers lines with lines."""

    def __init__(
        self, command: Sequence[str], *, bound: float = 60.0, environment: Mapping[str, str] | None = None
    ) -> None:
        self.bound = bound
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        # A fixed hash seed: a release that iterates a set does so in the same order every time.
        fixed = {"PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0"}
        # A session of its own: Ctrl-C is for us, and we end the worker.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
            start_new_session=True, env={**os.environ, **fixed, **(environment or {})},
        )  # fmt: skip
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._out = bytearray()
        self._waits_to_write = False
        self._lines: deque[bytes] = deque()
        self._partial = bytearray()
        self._noise: deque[str] = deque(maxlen=_LAST_LINES)
        self._noise_partial = b""
        self._selector = selectors.DefaultSelector()
        for pipe in (self._stdout, self._stderr):
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ)
        os.set_blocking(self._stdin.fileno(), False)
        self._end = weakref.finalize(
            self, _end, process, self._selector, (self._stdin, self._stdout, self._stderr)
        )

    @property
    def alive(self) -> bool:
        """Whether it can still be asked."""
        return self._end.alive and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def said(self) -> tuple[str, ...]:
        """The last lines that it wrote to its standard error."""
        return tuple(self._noise)

    def send(self, line: bytes) -> None:
        """Begin to send a line; what the pipe does not take now goes while an answer is waited for."""
        self._out += line
        self._write()

    def receive(self) -> bytes:
        """The next line; Hung after the bound, Died if there is nobody to answer. Both are the end of the process."""
        if self._lines:
            return self._lines.popleft()
        deadline = time.monotonic() + self.bound
        try:
            while not self._lines:
                if not self._exchange(deadline - time.monotonic()):
                    raise Died(self._how_it_died())
                if not self._lines and time.monotonic() > deadline:
                    raise Hung(f"no answer within {self.bound:g} s", self._where())
        except BaseException:
            # An answer that comes now would be taken for that of the next question.
            self._process.kill()
            self.close()
            raise
        return self._lines.popleft()

    def close(self) -> None:
        """End the process and wait until it has ended; more than once is as good as once."""
        self._end()

    def _exchange(self, timeout: float) -> bool:
        """Read and write what can be, waiting for it; False when no answer can come any more."""
        if not self._end.alive:
            return False
        still_open = True
        for key, _ in self._selector.select(max(0.0, timeout)):
            if key.fileobj is self._stdin:
                self._write()
                continue
            try:
                data = os.read(key.fd, _CHUNK)
            except BlockingIOError:
                continue
            if key.fileobj is self._stderr:
                self._listen(data)
            elif data:
                self._split(data)
            else:
                still_open = False
            if not data:
                self._selector.unregister(key.fileobj)
        return still_open

    def _split(self, data: bytes) -> None:
        """Complete lines; what is left over is looked at only once, however long its line becomes."""
        first, *rest = data.split(b"\n")
        self._partial += first
        for part in rest:
            self._lines.append(bytes(self._partial))
            self._partial = bytearray(part)

    def _write(self) -> None:
        """Send what the pipe takes; ask to be woken for the rest."""
        if not self._out or self._stdin.closed:
            return
        try:
            del self._out[: os.write(self._stdin.fileno(), self._out)]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            # It has died: reading will say so.
            self._out.clear()
        if bool(self._out) != self._waits_to_write:
            self._waits_to_write = bool(self._out)
            if self._waits_to_write:
                self._selector.register(self._stdin, selectors.EVENT_WRITE)
            else:
                self._selector.unregister(self._stdin)

    def _listen(self, data: bytes) -> None:
        *lines, self._noise_partial = (self._noise_partial + data).split(b"\n")
        self._noise.extend(line.decode("utf-8", "replace") for line in lines)

    def _where(self) -> list[str]:
        """What a process that is busy for ever was doing, outermost first: it writes its stack when it is asked to."""
        self._noise.clear()
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(DUMP)
        deadline = time.monotonic() + _TELLING
        while time.monotonic() < deadline and self._exchange(deadline - time.monotonic()):
            pass
        places = [match for line in self._noise if (match := _FRAME.match(line)) and "importlib" not in match[1]]
        return [f"{Path(m[1]).name}:{m[2]} {m[3]}" for m in reversed(places[:_INNERMOST])]

    def _how_it_died(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)
        # ValueError: the pipe is closed already.
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(self._stderr.fileno(), _CHUNK):
                self._listen(data)
        code = self._process.returncode
        how = "it closed its output" if code is None else f"exit status {code}"
        if code is not None and code < 0:
            how = f"signal {signal.Signals(-code).name}"
        words = [line.strip() for line in (*self._noise, self._noise_partial.decode("utf-8", "replace"))]
        last = [word for word in words if word][-3:]
        return how + (f"; its last words: {' / '.join(last)}" if last else "")


def _end(
    process: subprocess.Popen[bytes], selector: selectors.BaseSelector, pipes: Sequence[IO[bytes]]
) -> None:
    """End of input asks it to go; who does not go is made to."""
    selector.close()
    for pipe in pipes:
        with contextlib.suppress(OSError):
            pipe.close()
    try:
        process.wait(_GRACE)
    except BaseException:
        process.kill()
        process.wait()
    # What it has started is in its session, and must not outlive it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def python(*arguments: str) -> list[str]:
    """A command that runs this very Python."""
    return [sys.executable, *arguments]
