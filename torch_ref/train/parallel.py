"""How one model lies on many ranks: whole on each (DDP), or a share of it on each (FSDP2).

Either way the gradient is the *sum* over ranks, never the mean: the engine divides it once, by the
valid tokens of all ranks, so that a token weighs the same on whichever rank it is. The weights
that the optimizer steps are float32 (float64 in a float64 run) whatever the products are made in.

DDP (Li et al., 2020) sums the gradients of some parameters while the backward is still busy with
the layers below. FSDP is in ``sharded.py``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from npformer.train.ranks import Ranks
from torch_ref.bridge import to_tensor
from torch_ref.train.objective import Objective
from torch_ref.train.saving import save_whole

_PARAMETERS = inspect.signature(DistributedDataParallel).parameters
# Since PyTorch 2.13 this has another name.
_NAME = next(n for n in ("forward_sync_buffers", "broadcast_buffers") if n in _PARAMETERS)
# The one buffer, the table of positions, never changes.
NO_BUFFERS: dict[str, Any] = {_NAME: False}


class Spread:
    """An objective on one rank, and what the others would have to be asked, if there were any.

    Everything but ``trained``, ``gathering``, ``local``, ``fill``, ``add`` and ``changed`` is
    collective.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective: nn.Module = objective
        """What the gradients are taken of, with ``Objective.forward``'s arguments."""
        self._plain = objective

    @property
    def trained(self) -> Objective:
        """The objective whose parameters the optimizer steps."""
        return self._plain

    def gathering(self, last: bool) -> AbstractContextManager[None]:
        """Around one batch's forward and backward; ``last``: the update's last batch."""
        return nullcontext()

    def total(self, values: Tensor) -> Tensor:
        """``values``, of the same shape on every rank, summed over the ranks in place."""
        return values

    def local(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """What lies on this rank of parameters, gradients or moments, in the same memory."""
        return list(tensors)

    def norm(self, gradients: Sequence[Tensor]) -> Tensor:
        """The Euclidean norm () of all gradients together, the same on every rank."""
        return torch.nn.utils.get_total_norm(self.local(gradients))

    def first_not_finite(self, gradients: Mapping[str, Tensor]) -> str | None:
        """The name of the first gradient with a NaN or an infinity, the same on every rank."""
        bad = torch.stack([~g.isfinite().all() for g in self.local(list(gradients.values()))])
        found = self.total(bad.to(torch.int32)).tolist()
        return next((name for name, count in zip(gradients, found, strict=True) if count), None)

    def largest(self, gradients: Sequence[Tensor]) -> float:
        """The largest absolute value in all gradients, the same on every rank."""
        return max((g.abs().max().item() for g in self.local(gradients) if g.numel()), default=0.0)

    def whole(self, tensor: Tensor) -> Tensor:
        """A parameter or moment with the rows of every rank."""
        return tensor.detach()

    def fill(self, tensor: Tensor, array: np.ndarray) -> None:
        """Write a whole array, of the tensor's whole shape, into what lies of it on this rank."""
        tensor.detach().copy_(to_tensor(array))

    def add(self, tensor: Tensor, step: Tensor) -> None:
        """Add a whole tensor, the same on every rank, to what lies of a parameter on this one."""
        tensor.detach().add_(step)

    def save(self, directory: Path, tensors: Mapping[str, Tensor], ranks: Ranks) -> None:
        """Write ``model/...`` and ``optim/...`` tensors as a checkpoint's files.

        Raises, on every rank, ``NonFiniteError`` that names a tensor with a NaN or an infinity; and
        ``OSError`` or ``CheckpointError``, if not on every rank, for what cannot be written.
        """
        save_whole(directory, tensors, ranks)

    def changed(self) -> None:
        """The weights are others now: what was gathered of them no longer counts."""

    def plain(self) -> Objective:
        """The objective with whole weights on this rank, for validation and decoding.

        Its use is no collective; to ask for it is one, the first time after ``changed``.
        """
        return self._plain


class Replicated(Spread):
    """The whole model on every rank; the gradients are summed."""

    def __init__(self, objective: Objective) -> None:
        super().__init__(objective)
        device = next(objective.parameters()).device
        self._ddp = self.objective = DistributedDataParallel(
            objective,
            device_ids=[device] if device.type == "cuda" else None,
            gradient_as_bucket_view=True,
            **NO_BUFFERS,
        )
        self._ddp.register_comm_hook(None, sum_of_ranks)
        self._arrange(device)

    def _arrange(self, device: torch.device) -> None:
        """Have the gradients in their lasting order before the first update.

        After its first backward, DDP lays the gradients out anew, as they came; where one lies
        decides in which order the ranks are summed. Were that the first update's backward, a run
        that is resumed would sum it otherwise than the run that was never stopped.
        """
        inputs, targets, about = self._plain.of_nothing(device)
        with torch.compiler.set_stance("force_eager"):  # one word is not worth compiling for
            self._ddp(inputs, targets, **about).backward()
        self._ddp.zero_grad()

    def gathering(self, last: bool) -> AbstractContextManager[None]:
        """Each rank gathers the gradients of its batches; at the last one these are summed."""
        return nullcontext() if last else self._ddp.no_sync()

    def total(self, values: Tensor) -> Tensor:
        """``values``, summed over the ranks in place."""
        dist.all_reduce(values)
        return values

    def first_not_finite(self, gradients: Mapping[str, Tensor]) -> str | None:
        """The first gradient with a NaN or an infinity; they are the same on every rank."""
        return Spread(self._plain).first_not_finite(gradients)


def sum_of_ranks(state, bucket):  # DDP compares annotations with types, and here they are texts
    """A communication hook of DDP: the gradients' sum, where its own takes the mean."""
    work = dist.all_reduce(bucket.buffer(), async_op=True)
    assert work is not None
    return work.get_future().then(lambda future: future.value()[0])
