"""`make bench-gpu`: what a run costs on a device, against a device-to-device copy and an unchecked run of the same run.

A recount is measured as the device sees it: its kernels over tensors that lie there, as one graph. What the host adds
(walking the tree, sending what it knows) is told beside it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch

from sim.bench.cards import presets
from sim.bench.cases import Figure, Skipped, least
from sim.bench.device import Full, copy_of, seconds
from sim.bench.load import per_iteration, steady, unaudited

SLOTS = 1_000_000
ITERATIONS = 4096
COPY_SHARE = 0.4
"""Of the rate at which the device copies, a recount must reach this much."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is measured: a whole card, or next to nothing where only the way is tried."""

    slots: int = SLOTS
    iterations: int = ITERATIONS
    budget: int | None = None


def recounts(device: str, sizes: Sizes) -> Iterator[Figure]:
    """Full recount and canary verification of a full pool, against a copy of the bytes that they must read."""
    for model in ("tiny", "gpt-oss-20b"):
        pool = Full(device, sizes.slots, model)
        if not pool.fits:
            continue
        pool.fill()
        assert pool.sound(), "the pool that is to be counted is not sound"
        copy, count = seconds(device, copy_of(device, pool.bytes_read)), seconds(device, pool.counted())
        yield Figure(
            name=f"recount and canaries, {sizes.slots:,} slots of {model} / copy", ratio=count / copy,
            bound=1 / COPY_SHARE,
            note=f"{pool.bytes_read / count / 1e9:,.0f} of {pool.bytes_read / copy / 1e9:,.0f} GB/s; with the host's "
            f"part {pool.whole() * 1e3:.1f} ms",
        )  # fmt: skip


def checks(device: str, sizes: Sizes) -> Iterator[Figure]:
    """Checks at every event against the same run without an auditor, by the clock on the wall."""
    for batch in (32, 256):
        config = replace(steady(batch), device=device)
        run = partial(per_iteration, batch=batch, iterations=sizes.iterations, timer=time.perf_counter)
        base, cost = least(partial(run, unaudited(config)), partial(run, config), rounds=3)
        yield Figure(
            name=f"checks at every event / without checks, batch {batch}", ratio=cost / base, bound=1.5,
            note=f"{base * 1e6:.0f} → {cost * 1e6:.0f} µs",
        )  # fmt: skip


def main(device: str = "cuda", sizes: Sizes | None = None) -> int:
    """Measure everything; 1 if a ratio is above its bound."""
    sizes = sizes or Sizes()
    if device == "cuda":
        if not torch.cuda.is_available():
            print(Skipped(name="GPU figures", reason="there is no usable GPU here").line())
            return 0
        print(torch.cuda.get_device_name())
    print(f"{'what':<58}{'ratio':>9}{'bound':>9}  {'':4}for orientation")
    cases: tuple[Callable[[], Iterator[Figure]], ...] = (
        partial(recounts, device, sizes), partial(checks, device, sizes), partial(presets, device, sizes.budget),
    )  # fmt: skip
    held = True
    for case in cases:
        for figure in case():
            held = held and figure.holds
            print(figure.line(), flush=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
