"""A full pool on a device, and how long the device takes over it."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from policies.releases import DEFAULT_RELEASE, compose
from sim.config import PoolConfig, RunConfig, SchedulerConfig
from sim.engines.model import ModelEngine
from sim.engines.protocol import Request
from sim.ledger import holders, sound
from sim.ledger.readback import Text, kept, read_back
from sim.ledger.recount import Recount
from sim.memory.kvpool import differ, header_of
from sim.memory.presets import PRESETS
from sim.world import Segment

PROMPT = 3900
_SECTOR = 32
"""The least that a memory hands out: what reading one header costs where each lies in a slot of its own."""
_REPEATS = 20


def seconds(device: str, work: Callable[[], object], rounds: int = 5) -> float:
    """The least time that the device takes over a piece of work, launched as one graph where it can be."""
    if torch.device(device.removeprefix("torch:")).type != "cuda":
        return min(_on_host(work) for _ in range(rounds))
    launch = _graph(work)
    return min(_on_cuda(launch) for _ in range(rounds))


def _on_host(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(_REPEATS):
        work()
    return (time.perf_counter() - start) / _REPEATS


def _graph(work: Callable[[], object]) -> Callable[[], object]:
    """The kernels of a piece of work as one graph; nothing is allocated or launched one by one any more."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def _on_cuda(launch: Callable[[], object]) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    launch()
    start.record()
    for _ in range(_REPEATS):
        launch()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / 1e3 / _REPEATS


def copy_of(device: str, size: int) -> Callable[[], object]:
    """Copy so many bytes from one place of the device to another."""
    source = torch.zeros(size, dtype=torch.uint8, device=device.removeprefix("torch:"))
    target = torch.empty_like(source)
    return lambda: target.copy_(source)


class Full:
    """A pool that running requests have filled, their prompts in the tree."""

    def __init__(self, device: str, slots: int, model: str) -> None:
        prompt = min(PROMPT, slots // 16)
        self._prompt, self._count = prompt, slots // (prompt + 8)
        self._device = device
        self._bytes = slots * PRESETS[model].kv_bytes_per_token
        self._config = RunConfig(
            pool=PoolConfig(tokens=slots, rows=self._count, context=prompt + 64, model=model),
            scheduler=SchedulerConfig(max_running=self._count, max_prefill_tokens=slots, overlap=False),
            audit="off", device=device,
        )  # fmt: skip

    @property
    def fits(self) -> bool:
        """Whether the KV tensor fits into what the device has free."""
        if not self._device.startswith("cuda"):
            return self._bytes < 1 << 30
        return self._bytes < 0.8 * torch.cuda.mem_get_info()[0]

    def fill(self) -> None:
        """Let the requests come, and be prefilled."""
        self._engine = ModelEngine(self._config, compose(DEFAULT_RELEASE))
        for number in range(self._count):
            name = f"r{number}"
            self._engine.submit(
                Request(rid=name, prompt=(Segment(name=name, length=self._prompt),), max_new=4)
            )
        while self._engine.waiting:
            self._engine.step()
        self._engine.scheduler.memory.ledger.settle()
        self._prepare()

    def _prepare(self) -> None:
        """What a recount reads, sent to where it is read."""
        scheduler = self._engine.scheduler
        memory, place = scheduler.memory, scheduler.memory.backend
        self._places = sound.places(place, memory.rows.width, list(holders.of_rows(scheduler)), 1)
        self._tree = place.send(sound.starts([node.value for node in memory.tree.nodes()], 1))
        texts = [text for text in kept(scheduler) if isinstance(text, Text)]
        self._slots = place.send(np.concatenate([text.slots for text in texts]))
        self._expected = place.send(
            np.concatenate([header_of(np.arange(t.start, t.start + len(t.tokens)), t.tokens) for t in texts])
        )

    @property
    def bytes_read(self) -> int:
        """What must be read: where rows are read and what is there; tree, free list, tags; texts and headers."""
        memory = self._engine.scheduler.memory
        tokens, free = len(self._slots), memory.allocator.free_list.count
        entries = len(self._places.own) + len(self._places.shared)
        units = len(self._tree) + int(free) + int(memory.total)
        return (8 + 4) * entries + 8 * units + (16 + _SECTOR) * tokens

    def counted(self) -> Callable[[], torch.Tensor]:
        """The recount and the verification of all canaries as the device does them."""
        memory = self._engine.scheduler.memory
        flat, free = memory.rows.tensor.reshape(-1), memory.allocator.free_list.on_device
        tags, headers = memory.allocator.owners.tensor, memory.kv.tensor[:, 0]

        def count() -> torch.Tensor:
            told = sound.Rows(flat, self._places).counted(memory.total, 1, free, self._tree)
            told += sound.tagged(tags, free)
            told.append((differ(headers[self._slots], self._expected).any(), 0))
            self._must = [must for _, must in told]
            return sound.numbers(told)

        return count

    def sound(self) -> bool:
        """Whether the device finds nothing."""
        return self.counted()().tolist() == self._must

    def whole(self) -> float:
        """Seconds of a recount with the host's part of it."""
        start = time.perf_counter()
        Recount(self._engine.scheduler).counts()
        read_back(self._engine.scheduler)
        return time.perf_counter() - start
