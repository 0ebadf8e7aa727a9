"""A share of the model on every rank: FSDP2 (Zhao et al., 2023, as ``fully_shard``).

Of each weight, gradient and moment a rank keeps the rows that fall to it, as DTensors. A layer's
weights are gathered just before they are needed, and let go after. The root holds what lies outside
the layers. The embedding is there, gathered from the first use to the last, so that it can be the
output projection as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from npformer.train.ranks import Ranks
from torch_ref.bridge import to_tensor
from torch_ref.nn import Layer
from torch_ref.train.objective import MakeObjective, Objective
from torch_ref.train.parallel import Spread
from torch_ref.train.sharded_checkpoint import save_shares


class Sharded(Spread):
    """A share of the model on every rank.

    Gradients are summed at every batch, not at an update's last alone: to hold them back, each rank
    would have to keep whole ones, and to have no room is the reason to be here.
    """

    def __init__(self, objective: Objective, ranks: Ranks, make: MakeObjective) -> None:
        super().__init__(objective)
        self._rank, self._size, self._make = ranks.rank, ranks.size, make
        self._copy: Objective | None = None
        self._current = False
        mesh = init_device_mesh(next(objective.parameters()).device.type, (ranks.size,))
        # Weights travel as the products read them, gradients in full. Autocast sees to the inputs.
        precision = objective.precision
        policy = MixedPrecisionPolicy(
            param_dtype=precision.products if precision.products != precision.weights else None,
            reduce_dtype=precision.weights,
            cast_forward_inputs=False,
        )
        layers = [m for m in objective.modules() if isinstance(m, Layer)]
        for part in [*layers, objective]:
            fully_shard(part, mesh=mesh, mp_policy=policy)
        for module in objective.modules():
            if isinstance(module, FSDPModule):
                module.set_gradient_divide_factor(1.0)
                module.set_force_sum_reduction_for_comms(True)  # gloo cannot scale as it sums

    def total(self, values: Tensor) -> Tensor:
        """``values``, summed over the ranks in place."""
        dist.all_reduce(values)
        return values

    def local(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """This rank's rows; a short tensor may have none here."""
        return [t.to_local() if isinstance(t, DTensor) else t for t in tensors]

    def norm(self, gradients: Sequence[Tensor]) -> Tensor:
        """The norm of the shares' norms, and not of their squares, which might overflow."""
        own = super().norm(gradients)
        norms = torch.zeros(self._size, dtype=torch.float64, device=own.device)
        norms[self._rank] = own
        return torch.linalg.vector_norm(self.total(norms))

    def largest(self, gradients: Sequence[Tensor]) -> float:
        """The largest absolute value on any rank."""
        device = gradients[0].device
        own = torch.tensor(super().largest(gradients), dtype=torch.float64, device=device)
        dist.all_reduce(own, dist.ReduceOp.MAX)
        return own.item()

    def whole(self, tensor: Tensor) -> Tensor:
        """All rows, gathered."""
        return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).detach()

    def save(self, directory: Path, tensors: Mapping[str, Tensor], ranks: Ranks) -> None:
        """Each rank writes its shares; the first puts them together."""
        save_shares(directory, tensors, ranks)

    def fill(self, tensor: Tensor, array: np.ndarray) -> None:
        """Copy this rank's rows, as many as ``torch.chunk`` would give it."""
        (own,) = self.local([tensor.detach()])
        if not array.ndim:
            own.copy_(to_tensor(array))
            return
        own.copy_(to_tensor(array[self._rows(len(array), len(own))]))

    def add(self, tensor: Tensor, step: Tensor) -> None:
        """Add this rank's rows of a whole tensor."""
        (own,) = self.local([tensor.detach()])
        own.add_(step[self._rows(len(step), len(own))])

    def _rows(self, count: int, own: int) -> slice:
        """This rank's ``own`` rows of so many."""
        start = min(self._rank * -(-count // self._size), count)
        return slice(start, start + own)

    def changed(self) -> None:
        """The copy is of former weights."""
        self._current = False

    @torch.no_grad()
    def plain(self) -> Objective:
        """A copy that is no share, filled with the gathered weights."""
        if self._copy is None:
            self._copy = self._make().requires_grad_(False)
        if not self._current:
            shares = self._plain.parameters()
            for own, share in zip(self._copy.parameters(), shares, strict=True):
                own.copy_(self.whole(share))
            self._current = True
        return self._copy
