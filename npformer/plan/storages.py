"""Every storage that a computation makes, from its making to its release.

PyTorch's operations come by here one at a time, those of the backward too, so a forward and a
backward leave a complete record of what existed when. Under ``FakeTensorMode`` nothing is computed
and nothing takes memory, yet every tensor has its size and lives as long as it would.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from npformer.plan.modules import MadeAt


@dataclass
class Storage:
    """One allocation; it exists at the moments from ``born`` on, before ``died``."""

    size: int
    """Bytes."""
    born: int
    place: MadeAt
    died: int | None = None


class Moment(NamedTuple):
    """The moment at which an operation has made its results and still has what it reads."""

    place: MadeAt
    inside: int
    """Bytes that exist inside the operation alone; less than 0 for a result that takes none."""


class Storages(TorchDispatchMode):
    """While entered, records storages and moments. ``place`` says whose operation it is.

    ``casts``: as on the CPU, an elementwise operation on numbers of two widths first makes a wide
    copy of what is narrow.
    """

    def __init__(self, place: Callable[[], MadeAt], *, casts: bool) -> None:
        super().__init__()
        self._place, self._casts = place, casts
        self._alive: dict[int, tuple[Storage, weakref.ref[Any]]] = {}
        self.storages: list[Storage] = []
        self.moments: list[Moment] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is torch.ops.prim.device.default:  # two of three calls, and nothing is made
            return args[0].fake_device
        result = func(*args, **(kwargs or {}))
        place = self._place()
        results = result if isinstance(result, tuple | list) else (result,)
        made = sum(self.see(r, place).size for r in results if self._is_new(r))
        inside = widened(args) if self._casts and torch.Tag.pointwise in func.tags else 0
        if func is torch.ops.aten.add.Tensor and place.backward and sole(args[0]):
            inside -= made
        if made or inside:
            self.moments.append(Moment(place, inside))
        return result

    def know(self, tensor: Tensor) -> None:
        """Take a tensor for one that is always there: its storage is left out."""
        self.see(tensor, MadeAt("", False, False))
        self.storages.pop()

    def see(self, tensor: Tensor, place: MadeAt) -> Storage:
        """Follow the storage of a tensor from now on."""
        storage = tensor.untyped_storage()
        key, seen = storage._cdata, Storage(storage.nbytes(), len(self.moments), place)

        def gone(_: object) -> None:
            seen.died = len(self.moments)
            del self._alive[key]

        self._alive[key] = seen, weakref.ref(storage, gone)
        self.storages.append(seen)
        return seen

    def of(self, tensor: Tensor) -> Storage:
        """The record of a tensor's storage. Raises KeyError for one that was never seen."""
        return self._alive[tensor.untyped_storage()._cdata][0]

    def _is_new(self, value: object) -> bool:
        return isinstance(value, Tensor) and value.untyped_storage()._cdata not in self._alive


def widened(args: tuple[Any, ...]) -> int:
    """Bytes of the copies that TensorIterator makes of what has fewer bits than the widest."""
    tensors = [a for a in args if isinstance(a, Tensor) and a.ndim and a.is_floating_point()]
    wide = max((t.element_size() for t in tensors), default=0)
    return sum(wide * t.numel() for t in tensors if t.element_size() < wide)


def sole(tensor: Tensor) -> bool:
    """Whether nothing else shares the tensor's storage.

    Autograd adds a second gradient in place to a first one that only it holds, except while a
    dispatch mode looks on: then it makes a third. (One use here is the tensor, one the question.)
    """
    storage = tensor.untyped_storage()
    return torch._C._storage_Use_Count(storage._cdata) == 2
