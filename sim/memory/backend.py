"""Where tensors live and how they are worked on.

Every pool is a torch tensor. On a CPU it is worked on through a zero-copy NumPy view, because a torch index
operation costs about 2 µs there and a NumPy one 0.1 µs; elsewhere the tensor itself is used. Both kinds of
array share indexing, arithmetic and comparison; the few calls in which they differ are the methods below.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch

Array = Any
"""A NumPy view of a CPU tensor, or a torch tensor."""


class Backend(Protocol):
    """The calls in which NumPy views and torch tensors differ."""

    name: str

    def zeros(
        self, shape: int | tuple[int, ...], dtype: torch.dtype = torch.int64
    ) -> tuple[torch.Tensor, Array]:
        """A new tensor and the array through which it is worked on."""

    def put(self, host: Any) -> Array:
        """A host array or list as an int64 array of this device."""

    def get(self, array: Array) -> Any:
        """An array of this device as a NumPy array on the host."""

    def arange(self, start: int, stop: int) -> Array:
        """start … stop−1."""

    def unique(self, array: Array) -> Array:
        """Sorted distinct values."""

    def cat(self, arrays: Sequence[Array]) -> Array:
        """Joined end to end."""

    def copy(self, array: Array) -> Array:
        """A copy that no later write reaches, as int64."""

    def narrow(self, array: Array) -> Array:
        """The array in the type of the rows, for an indexed write."""

    def any(self, mask: Array) -> bool:
        """Whether any entry is set; waits for the device."""

    def count(self, array: Array) -> int:
        """Entries that are not zero; waits for the device."""


class NumpyBackend:
    """CPU tensors through NumPy views."""

    name = "cpu"

    def zeros(
        self, shape: int | tuple[int, ...], dtype: torch.dtype = torch.int64
    ) -> tuple[torch.Tensor, Array]:
        """A new tensor and its zero-copy view."""
        tensor = torch.zeros(shape, dtype=dtype, device="cpu")
        return tensor, tensor.numpy()

    def put(self, host: Any) -> Array:
        """A host array or list as int64."""
        return np.asarray(host, dtype=np.int64)

    def get(self, array: Array) -> Any:
        """The array itself: it is on the host."""
        return array

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

    def narrow(self, array: Array) -> Array:
        """The array itself: an indexed write converts."""
        return array

    def any(self, mask: Array) -> bool:
        """Whether any entry is set."""
        return bool(mask.any())

    def count(self, array: Array) -> int:
        """Entries that are not zero."""
        return int(np.count_nonzero(array))


class TorchBackend:
    """Tensors of any torch device, used as they are."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self.name = device

    def zeros(
        self, shape: int | tuple[int, ...], dtype: torch.dtype = torch.int64
    ) -> tuple[torch.Tensor, Array]:
        """A new tensor, twice."""
        tensor = torch.zeros(shape, dtype=dtype, device=self.device)
        return tensor, tensor

    def put(self, host: Any) -> Array:
        """A host array or list on the device."""
        if isinstance(host, torch.Tensor):
            return host.to(device=self.device, dtype=torch.int64)
        return torch.from_numpy(np.array(host, dtype=np.int64)).to(self.device)

    def get(self, array: Array) -> Any:
        """A host copy."""
        return array.cpu().numpy() if isinstance(array, torch.Tensor) else np.asarray(array)

    def arange(self, start: int, stop: int) -> Array:
        """start … stop−1."""
        return torch.arange(start, stop, dtype=torch.int64, device=self.device)

    def unique(self, array: Array) -> Array:
        """Sorted distinct values."""
        return torch.unique(array)

    def cat(self, arrays: Sequence[Array]) -> Array:
        """Joined end to end."""
        if not len(arrays):
            return torch.empty(0, dtype=torch.int64, device=self.device)
        return torch.cat(list(arrays))

    def copy(self, array: Array) -> Array:
        """A copy as int64."""
        return array.to(dtype=torch.int64, copy=True)

    def narrow(self, array: Array) -> Array:
        """The array as int32: an indexed write does not convert."""
        return array.to(torch.int32)

    def any(self, mask: Array) -> bool:
        """Whether any entry is set; waits for the device."""
        return bool(mask.any().item())

    def count(self, array: Array) -> int:
        """Entries that are not zero; waits for the device."""
        return int(torch.count_nonzero(array).item())


def backend(device: str) -> Backend:
    """The backend of a device name: `cpu`, `cuda`, `cuda:1`, or `torch:cpu` (tensors without views)."""
    if device == "cpu":
        return NumpyBackend()
    return TorchBackend(device.removeprefix("torch:"))
