"""The twin, watched: as the suspect, whose every call is noted, and as the reference.

What is done to a twin here is what ``numpy_side`` does to a NumPy model, by way of autograd.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from npformer.cards.discovery import op_card
from npformer.errors import NpformerError
from npformer.models.loss import LOSS, asked
from npformer.text.batches import Batch
from npformer.verify.lockstep.twin_force import TwinForce
from npformer.verify.lockstep.twin_observer import PreciseActivations, TwinObserver, observed
from npformer.verify.lockstep.twin_watch import TwinWatch
from npformer.verify.lockstep.verdicts import Verdicts
from npformer.verify.lockstep.visits import Array, Site, Trace, bind
from torch_ref import ops


def trace(
    model: nn.Module,
    batch: Batch,
    *,
    label_smoothing: float = 0.0,
    rng: np.random.Generator | None = None,
    loss: Any = None,
    light: bool = False,
) -> Trace:
    """One forward, the loss and autograd's backward of the twin, with every call that it made.

    The parameters' ``grad`` is never written to. What is frozen has a gradient here, too. Raises
    ``Stopped`` for an exception of the model's own that is none of npformer's.
    """
    watch = TwinWatch(model, light)
    loss = loss or getattr(ops, LOSS.name)
    frozen = [parameter for parameter in model.parameters() if not parameter.requires_grad]
    try:
        for parameter in frozen:
            parameter.requires_grad_()
        value = _run(model, batch, watch, loss, label_smoothing, rng)
        return watch.trace(value)
    except NpformerError:  # its message says enough
        raise
    except Exception as error:
        raise watch.stopped(error) from error
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)


def force(
    model: nn.Module,
    batch: Batch,
    suspect: Trace,
    own: Trace,
    judge: Verdicts,
    *,
    label_smoothing: float = 0.0,
    rng: np.random.Generator | None = None,
) -> None:
    """Run the reference twin (float64) on the numbers of ``suspect``, and judge each call."""
    forced = TwinForce(model, suspect, own, judge)
    with PreciseActivations():
        _run(model, batch, forced, op_card(LOSS.name).precise, label_smoothing, rng)


def widened(model: nn.Module, weights: dict[str, Array]) -> nn.Module:
    """A copy of the twin in float64, on the CPU, with other weights."""
    # What is copied are the buffers; the model's own weights would take as much memory again.
    own: dict[int, Any] = {
        id(parameter): nn.Parameter(torch.from_numpy(weights[path].astype(np.float64)))
        for path, parameter in model.named_parameters()
    }
    return copy.deepcopy(model, own).cpu().double()


def _run(
    model: Any,
    batch: Batch,
    observer: TwinObserver,
    loss: Any,
    label_smoothing: float,
    rng: np.random.Generator | None,
) -> Tensor:
    device = next(model.parameters()).device
    inputs = {name: torch.tensor(ids, device=device) for name, ids in batch.inputs.items()}
    training = model.training
    model.eval()
    try:
        with observed(model, observer), torch.enable_grad():
            if batch.targets.dtype.kind == "f":  # of vectors, whose gradient is given
                vectors = model.encode(**inputs, rng=rng)
                return (vectors * torch.tensor(batch.targets).to(vectors)).sum()
            auxiliary: list[Any] = []
            if getattr(model, "auxiliary", False):
                targets = torch.tensor(asked(batch.targets, batch.no_target), device=device)
                logits, *auxiliary = model(**inputs, rng=rng, targets=targets)
            else:
                logits = model(**inputs, rng=rng)
            arguments = {
                "logits": logits,
                "targets": torch.tensor(batch.targets, device=device),
                "label_smoothing": label_smoothing,
                "ignore_index": batch.no_target,
            }
            site = Site("loss", LOSS.name, LOSS.name)
            value: Tensor = observer.call(
                site, bind(site, loss, (), arguments), lambda given: loss(**given)
            )
    finally:
        model.train(training)
    return sum((one.loss for one in auxiliary), value)
