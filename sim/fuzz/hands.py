"""Processes that play cases: results in the order of the tasks, whatever happens to a process."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, TypeVar

_Made = TypeVar("_Made")
_PATIENCE = 3


class Lost(Exception):
    """A task that has ended its process, time and again."""


@dataclass(eq=False)
class Task(Generic[_Made]):
    """Something to do in another process."""

    do: Callable[..., _Made]
    given: tuple[Any, ...]
    future: Future[_Made]
    tries: int = 1


class Hands:
    """A pool of processes that is made anew when one of them is killed."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._pool = self._made()
        self._open: list[Task[Any]] = []

    def _made(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._jobs, mp_context=context, initializer=_quiet)

    def __enter__(self) -> Hands:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            # What they are at is of no use any more, and may never end.
            for process in list((self._pool._processes or {}).values()):
                process.kill()
        self._pool.shutdown(wait=kind is None, cancel_futures=True)

    def submit(self, do: Callable[..., _Made], *given: Any) -> Task[_Made]:
        """Have it done."""
        task = Task(do, given, self._future(do, given))
        self._open.append(task)
        return task

    def _future(self, do: Callable[..., _Made], given: tuple[Any, ...]) -> Future[_Made]:
        try:
            return self._pool.submit(do, *given)
        except BrokenProcessPool:
            self._again()
            return self._pool.submit(do, *given)

    def result(self, task: Task[_Made]) -> _Made:
        """What came of it; Lost if it ends whatever process takes it on."""
        while True:
            try:
                made = task.future.result()
            except BrokenProcessPool:
                if task.tries >= _PATIENCE:
                    self._open.remove(task)
                    self._again()
                    raise Lost from None
                task.tries += 1
                self._again()
                continue
            except BaseException:
                self._open.remove(task)
                raise
            self._open.remove(task)
            return made

    def _again(self) -> None:
        """A new pool, and everything in it that was not done."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._made()
        for task in self._open:
            if not task.future.done() or task.future.cancelled() or task.future.exception() is not None:
                task.future = self._pool.submit(task.do, *task.given)


def _quiet() -> None:
    """Ctrl-C is for the parent; one thread each."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    torch.set_num_threads(1)
