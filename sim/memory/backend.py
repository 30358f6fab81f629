"""Where tensors live and how they are worked on.

On a CPU every pool is a torch tensor that is worked on through a zero-copy NumPy view, because a torch index operation
costs about 2 µs there and a NumPy one 0.1 µs. On a device there are two kinds of arrays (`devices.py`):

    twin    what names memory: free lists, rows, the mapping     a host array, and the tensor that gets every write too
    zeros   what memory holds, and whose it is: KV, states, tags  the tensor alone

Indices are host arrays everywhere. The scheduler must know how many distinct pages a list of slots has, or how many of
them have a windowed half; reading that back would stall the device at every free.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch

Array = Any
"""A NumPy array; where `zeros` or `twin` gave it, whatever behaves like one."""


class Backend(Protocol):
    """The calls in which a CPU and a device differ, and those on indices, in which they do not."""

    name: str
    deferred: bool
    """Whether what a posting finds is looked at only at the next check."""

    def zeros(
        self, shape: int | tuple[int, ...], dtype: torch.dtype = torch.int64
    ) -> tuple[torch.Tensor, Array]:
        """A new tensor and the array through which it is worked on; reading it waits for the device."""

    def twin(
        self, shape: int | tuple[int, ...], dtype: torch.dtype = torch.int64
    ) -> tuple[torch.Tensor, Array]:
        """A new tensor and an array that reads from the host and writes to both."""

    def send(self, host: Any) -> Array:
        """An index or a number for the arrays of `zeros`; does not wait."""

    def get(self, array: Array) -> Any:
        """An array as a NumPy array on the host; waits for the device if it lies there."""

    def lying(self, tensor: torch.Tensor, array: Array) -> Any:
        """What a twin's tensor holds, as a NumPy array on the host; waits likewise."""

    def joined(self, masks: Sequence[Array]) -> Array:
        """Masks end to end."""

    def any(self, mask: Array) -> bool:
        """Whether any entry is set; waits likewise."""

    def flagged(self, masks: Sequence[Array]) -> bool:
        """Whether any entry of any mask is set; waits once for all of them."""

    def count(self, array: Array) -> int:
        """Entries that are not zero; waits likewise."""

    def put(self, host: Any) -> Array:
        """A host array or list as indices."""

    def arange(self, start: int, stop: int) -> Array:
        """The indices start … stop−1."""

    def unique(self, array: Array) -> Array:
        """Sorted distinct indices."""

    def cat(self, arrays: Sequence[Array]) -> Array:
        """Indices joined end to end."""

    def copy(self, array: Array) -> Array:
        """A copy that no later write reaches, as int64."""


class NumpyBackend:
    """CPU tensors through NumPy views."""

    name = "cpu"
    deferred = False

    def zeros(
        self, shape: int | tuple[int, ...], dtype: torch.dtype = torch.int64
    ) -> tuple[torch.Tensor, Array]:
        """A new tensor and its zero-copy view."""
        tensor = torch.zeros(shape, dtype=dtype, device="cpu")
        return tensor, tensor.numpy()

    def twin(
        self, shape: int | tuple[int, ...], dtype: torch.dtype = torch.int64
    ) -> tuple[torch.Tensor, Array]:
        """The same: host and device are one."""
        return self.zeros(shape, dtype)

    def send(self, host: Any) -> Array:
        """The array itself."""
        return host

    def get(self, array: Array) -> Any:
        """The array itself: it is on the host."""
        return array

    def lying(self, tensor: torch.Tensor, array: Array) -> Any:
        """The array itself: it is the tensor's view."""
        return array

    def joined(self, masks: Sequence[Array]) -> Array:
        """Masks end to end."""
        return np.concatenate(masks)

    def any(self, mask: Array) -> bool:
        """Whether any entry is set."""
        return bool(mask.any())

    def flagged(self, masks: Sequence[Array]) -> bool:
        """Whether any entry of any mask is set."""
        return any(bool(mask.any()) for mask in masks)

    def count(self, array: Array) -> int:
        """Entries that are not zero."""
        return int(np.count_nonzero(array))

    def put(self, host: Any) -> Array:
        """A host array or list as int64."""
        return np.asarray(host, dtype=np.int64)

    def arange(self, start: int, stop: int) -> Array:
        """start … stop−1."""
        return np.arange(start, stop, dtype=np.int64)

    def unique(self, array: Array) -> Array:
        """Sorted distinct values."""
        return np.unique(array)

    def cat(self, arrays: Sequence[Array]) -> Array:
        """Joined end to end."""
        return np.concatenate(arrays) if len(arrays) else np.empty(0, dtype=np.int64)

    def copy(self, array: Array) -> Array:
        """A copy as int64."""
        return array.astype(np.int64)


def backend(device: str) -> Backend:
    """The backend of a device name: `cpu`, `cuda`, `cuda:1`, or `torch:cpu` (tensors without views)."""
    if device == "cpu":
        return NumpyBackend()
    from sim.memory.devices import TorchBackend

    return TorchBackend(device.removeprefix("torch:"))
