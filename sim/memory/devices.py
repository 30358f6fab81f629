"""Tensors of a torch device, written to and never read back but by a check.

Every call here but `get`, `any`, `flagged` and `count` returns before the device has done anything: what the host sends
is staged in pinned memory, and what a posting finds stays where it was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from sim.memory.backend import Array, NumpyBackend

_NUMPY = {torch.int32: np.dtype(np.int32), torch.int64: np.dtype(np.int64)}


class TorchBackend(NumpyBackend):
    """Any torch device; indices are host arrays, as on a CPU."""

    deferred = True

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self.name = device
        self._pinned = self.device.type == "cuda"

    def zeros(
        self, shape: int | tuple[int, ...], dtype: torch.dtype = torch.int64
    ) -> tuple[torch.Tensor, Array]:
        """A new tensor, and the array that sends what it is indexed with."""
        tensor = torch.zeros(shape, dtype=dtype, device=self.device)
        return tensor, Remote(self, tensor)

    def twin(
        self, shape: int | tuple[int, ...], dtype: torch.dtype = torch.int64
    ) -> tuple[torch.Tensor, Array]:
        """A new tensor, and a host array whose writes reach it."""
        tensor = torch.zeros(shape, dtype=dtype, device=self.device)
        return tensor, Twin(self, np.zeros(shape, dtype=_NUMPY[dtype]), tensor)

    def send(self, host: Any) -> Array:
        """On its way to the device."""
        if isinstance(host, torch.Tensor):
            return host
        staged = torch.from_numpy(np.array(host, dtype=np.int64))
        if self._pinned:
            staged = staged.pin_memory()
        return staged.to(device=self.device, non_blocking=True)

    def store(self, tensor: torch.Tensor, key: Any, value: Any) -> None:
        """Write; of a place that is named twice the last value stays, as on a CPU."""
        if isinstance(key, np.ndarray) and isinstance(value, np.ndarray) and value.ndim and len(key) > 1:
            key, value = _last_of_each(key, value)
        tensor[self.index(key)] = self._values(value, tensor)

    def index(self, key: Any) -> Any:
        """Where to read or write, for the device: places are sent, slices and numbers are known to it."""
        if isinstance(key, list):
            key = np.array(key, dtype=np.int64)
        if not isinstance(key, np.ndarray):
            return key
        return self.send(np.nonzero(key)[0] if key.dtype == bool else key)

    def _values(self, value: Any, tensor: torch.Tensor) -> Any:
        if isinstance(value, np.ndarray):
            return self.send(value).to(tensor.dtype)
        return int(value) if isinstance(value, np.integer) else value

    # -- what waits ---------------------------------------------------------------------------------------

    def get(self, array: Array) -> Any:
        """A host copy; what is on the host already as it is."""
        tensor = array.tensor if isinstance(array, Remote) else array
        if isinstance(tensor, torch.Tensor):
            return tensor.cpu().numpy()
        return tensor.host if isinstance(tensor, Twin) else np.asarray(tensor)

    def lying(self, tensor: torch.Tensor, array: Array) -> Any:
        """A host copy of the tensor."""
        return tensor.cpu().numpy()

    def joined(self, masks: Sequence[Array]) -> Array:
        """Masks end to end."""
        return torch.cat(list(masks))

    def any(self, mask: Array) -> bool:
        """Whether any entry is set."""
        return bool(mask.any().item()) if isinstance(mask, torch.Tensor) else bool(mask.any())

    def flagged(self, masks: Sequence[Array]) -> bool:
        """Whether any entry of any mask is set: one flag is read."""
        return bool(torch.cat(list(masks)).any().item())

    def count(self, array: Array) -> int:
        """Entries that are not zero."""
        if isinstance(array, torch.Tensor):
            return int(torch.count_nonzero(array).item())
        return int(np.count_nonzero(array))


class Remote:
    """What lies on the device only: indexed from the host; what is read there stays there.

    A slice of it is a view.
    """

    __slots__ = ("_backend", "tensor")

    def __init__(self, backend: TorchBackend, tensor: torch.Tensor) -> None:
        self._backend = backend
        self.tensor = tensor

    def __len__(self) -> int:
        return len(self.tensor)

    @property
    def shape(self) -> tuple[int, ...]:
        """As of any array."""
        return tuple(self.tensor.shape)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice | tuple):
            return Remote(self._backend, self.tensor[key])
        return self.tensor[self._backend.index(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._backend.store(self.tensor, key, value)

    def exchange(self, places: np.ndarray[Any, Any], value: Any) -> torch.Tensor:
        """Write, and what was there before; the places are sent once."""
        where = self._backend.index(places)
        found = self.tensor[where]
        if isinstance(value, np.ndarray):
            self[places] = value
        else:
            self.tensor[where] = value
        return found


class Twin:
    """A host array that is read, and a tensor that gets every write."""

    __slots__ = ("_backend", "host", "tensor")

    def __init__(self, backend: TorchBackend, host: np.ndarray[Any, Any], tensor: torch.Tensor) -> None:
        self._backend = backend
        self.host = host
        self.tensor = tensor

    def __len__(self) -> int:
        return len(self.host)

    @property
    def shape(self) -> tuple[int, ...]:
        """As of any array."""
        return tuple(self.host.shape)

    def __getitem__(self, key: Any) -> Any:
        found = self.host[key]
        if isinstance(found, np.ndarray) and found.base is not None:
            found.flags.writeable = False
        return found

    def __setitem__(self, key: Any, value: Any) -> None:
        self.host[key] = value
        self._backend.store(self.tensor, key, value)

    def reshape(self, shape: int) -> Twin:
        """The same memory in another shape."""
        return Twin(self._backend, self.host.reshape(shape), self.tensor.reshape(shape))


def _last_of_each(key: Array, value: Array) -> tuple[Array, Array]:
    """The places without repetition, each with the value that stands last."""
    if len(key) == len(np.unique(key)):
        return key, value
    places, last = np.unique(key[::-1], return_index=True)
    return places, value[::-1][last]
