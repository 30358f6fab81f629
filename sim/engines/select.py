"""Engines by name: `model`, `sglang==0.5.11`, `sglang` (installed, or at --sglang-src).

The workers of a real release are kept and used again: importing one costs a second and more, a fresh scheduler in it
a third of a millisecond.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from sim.errors import InputError

if TYPE_CHECKING:
    from sim.config import RunConfig
    from sim.engines.sglang.process import Worker
    from sim.engines.sglang.remote import RemoteEngine
    from sim.engines.sglang.source import Source

MODEL = "model"
MOST_WORKERS = 4
"""Of about 300 MiB each; the one that was not used for longest makes room."""
_NAME = re.compile(r"sglang(==[0-9A-Za-z.+!_-]+)?")
_LINES = {"0.5.10": "sglang-0.5.10", "0.5.11": "sglang-0.5.11"}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the command line says about an engine."""

    spec: str = MODEL
    path: Path | None = None
    cache: Path = Path(".kvledger")
    bound: float = 60.0

    @property
    def real(self) -> bool:
        """Whether it is a real release."""
        return self.spec != MODEL

    @property
    def option(self) -> str:
        """How it is asked for on a command line."""
        source = "" if self.path is None else f" --sglang-src {shlex.quote(str(self.path))}"
        return f"--engine {self.spec}{source}" if self.real else ""


def check(spec: str, option: str = "--engine") -> None:
    """Whether this names an engine."""
    if spec != MODEL and not _NAME.fullmatch(spec):
        raise InputError(
            f"{option} {spec}: there is no such engine; write model, sglang==0.5.11 (or another version), or sglang"
        )


def release_of(version: str) -> str | None:
    """The release of ours that is a model of this version, post-releases included."""
    line = re.match(r"\d+\.\d+\.\d+(?=$|\.post\d+$)", version)
    return None if line is None else _LINES.get(line[0])


class Engines:
    """What one choice gives: many engines after one another, few processes. End it, by `with` or `close()`."""

    def __init__(
        self, choice: Choice | None = None, start: Callable[[Source, tuple[int, ...]], Worker] | None = None
    ) -> None:
        self.choice = choice or Choice()
        self._start = start or self._python
        self._source: Source | None = None
        self._workers: dict[tuple[int, ...], Worker] = {}

    def __enter__(self) -> Engines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers."""
        while self._workers:
            self._workers.popitem()[1].close()

    @property
    def real(self) -> bool:
        """Whether they are of a real release."""
        return self.choice.real

    @property
    def source(self) -> Source:
        """Where the real release is; InputError with what to type if it is nowhere."""
        if self._source is None:
            from sim.engines.sglang.source import find_source

            self._source = find_source(self.choice.spec, path=self.choice.path, cache=self.choice.cache)
        return self._source

    @property
    def name(self) -> str:
        """`model`, or `sglang` and the version."""
        return f"sglang {self.source.version}" if self.real else MODEL

    @property
    def where(self) -> str:
        """` at PATH` for a real release: what tells two of one version apart."""
        return f" at {self.source.path}" if self.real else ""

    @property
    def release(self) -> str | None:
        """The release of ours that the real one is; None if it is another, or for the model, which is any of them."""
        return release_of(self.source.version) if self.real else None

    def remote(self, config: RunConfig, reverts: tuple[int, ...] = (), *, audit: bool = False) -> RemoteEngine:
        """A fresh engine with these fixes taken out; it replaces the one that its process served before."""
        from sim.engines.sglang.remote import RemoteEngine

        return RemoteEngine(self.worker(reverts), config, audit=audit)

    def worker(self, reverts: tuple[int, ...] = ()) -> Worker:
        """The process with these fixes taken out; EngineBroken if there can be none."""
        from sim.engines.sglang.remote import hello

        reverts = tuple(sorted(set(reverts)))
        worker = self._workers.pop(reverts, None)
        if worker is None or not worker.alive:
            while len(self._workers) >= MOST_WORKERS:
                self._workers.pop(next(iter(self._workers))).close()
            worker = self._start(self.source, reverts)
            hello(worker)
        # The last in the order of use.
        self._workers[reverts] = worker
        return worker

    def _python(self, source: Source, reverts: tuple[int, ...]) -> Worker:
        from sim.engines.sglang.process import Worker

        command = [sys.executable, "-m", "sim.engines.sglang.worker", str(source.path), source.version, source.origin]
        if reverts:
            command.append(",".join(map(str, reverts)))
        return Worker(command, bound=self.choice.bound)
