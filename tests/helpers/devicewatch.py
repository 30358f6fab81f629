"""Watches what a run asks of torch: where tensors are made, and what is read back from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors

READS = {
    "item", "tolist", "cpu", "numpy", "__array__", "__bool__", "__int__", "__float__", "__index__", "__iter__",
    "__contains__", "__format__", "__repr__", "nonzero", "argwhere", "unique", "unique_consecutive", "masked_select",
    "equal", "allclose", "is_nonzero", "bincount", "repeat_interleave", "histc",
}  # fmt: skip
"""What waits for a device to tell the host a value, or how many there are."""

CHECKS = (
    ("sim.ledger.journal.Journal", "settle"),
    ("sim.ledger.auditor.Auditor", "recount"),
    ("sim.ledger.recount.Recount", "counts"),
)
"""Where a device may be waited for."""


class Watch(TorchFunctionMode):
    """Notes tensors that are made without naming `device`, and reads outside a check."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = torch.device(device)
        self.checking = 0
        self.made: Counter[str] = Counter()
        self.reads: Counter[str] = Counter()
        self.faults: list[str] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Look at one call of torch."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", str(func))
        if func in _device_constructors():
            self.made[name] += 1
            if "device" not in kwargs or torch.device(kwargs["device"]) != self.device:
                self.faults.append(f"{name} makes a tensor that is not on {self.device}")
        if name in READS or (name in ("__getitem__", "__setitem__") and _by_mask(args[1])):
            self.reads[name] += 1
            if not self.checking:
                self.faults.append(f"{name} reads a tensor outside a check")
        return func(*args, **kwargs)


def _by_mask(key: Any) -> bool:
    keys = key if isinstance(key, tuple) else (key,)
    return any(isinstance(k, torch.Tensor) and k.dtype in (torch.bool, torch.uint8) for k in keys)


@contextmanager
def watched(device: str, monkeypatch: Any) -> Iterator[Watch]:
    """Watch what happens here; what a check reads is its business."""
    watch = Watch(device)
    for owner, name in CHECKS:
        _count_in(watch, owner, name, monkeypatch)
    with watch:
        yield watch


@contextmanager
def unsynchronised(monkeypatch: Any) -> Iterator[None]:
    """On a GPU: whatever waits for it outside a check raises."""
    for owner, name in CHECKS:
        _allow_in(owner, name, monkeypatch)
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def _allow_in(owner: str, name: str, monkeypatch: Any) -> None:
    cls, plain = _method(owner, name)

    def check(*args: Any) -> Any:
        mode = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("default")
        try:
            return plain(*args)
        finally:
            torch.cuda.set_sync_debug_mode(mode)

    monkeypatch.setattr(cls, name, check)


def _method(owner: str, name: str) -> tuple[type, Callable[..., Any]]:
    module, _, kind = owner.rpartition(".")
    cls = getattr(__import__(module, fromlist=[kind]), kind)
    return cls, getattr(cls, name)


def _count_in(watch: Watch, owner: str, name: str, monkeypatch: Any) -> None:
    cls, plain = _method(owner, name)

    def check(*args: Any) -> Any:
        watch.checking += 1
        try:
            return plain(*args)
        finally:
            watch.checking -= 1

    monkeypatch.setattr(cls, name, check)
