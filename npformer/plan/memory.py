"""The most memory that a training update needs at one time, and what it is needed for."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from npformer.config import RunConfig
from npformer.plan.shape import DeviceKind, NumberBytes, Shape

if TYPE_CHECKING:
    from npformer.plan.modules import MadeAt
    from npformer.plan.trace import StepMemory
    from npformer.plan.weights import Weights


@dataclass(frozen=True)
class Memory:
    """Bytes on one GPU at the moment when there are most of them; they add up to ``total``."""

    parameters: int
    optimizer: int
    gradients: int
    """Those that the backward has made so far, or all, from the batches before."""
    activations: int
    """What is kept for the rest of the backward."""
    working: int
    """What exists for the operation of that moment alone."""
    moment: str
    """The module whose operation it is."""

    @property
    def total(self) -> int:
        """The peak."""
        return self.parameters + self.optimizer + self.gradients + self.activations + self.working


@functools.lru_cache(maxsize=64)
def planned_memory(
    config: RunConfig, shape: Shape, device: DeviceKind = "cuda", ranks: int = 1
) -> Memory:
    """The peak of an update of which each of ``ranks`` devices has batches of ``shape``.

    One rank, or each of DDP's, has everything; FSDP's have a share of parameters, gradients and
    moments, and gather the weights of a layer while they need them.
    """
    return max(_peaks(config, shape, device, ranks), key=lambda memory: memory.total)


def _peaks(config: RunConfig, shape: Shape, device: DeviceKind, ranks: int) -> Iterator[Memory]:
    """The most that there is while the optimizer steps, and while a batch is computed."""
    from npformer.plan.trace import trace  # PyTorch takes seconds to import
    from npformer.plan.weights import weigh

    full, product = NumberBytes.of(config)
    weights = weigh(config)
    sharded = config.twin.parallel == "fsdp" and ranks > 1
    share = ranks if sharded else 1
    parameters = full * -(-weights.numbers // share)
    always = (parameters + weights.buffers, weights.optimizer // share)
    yield Memory(*always, parameters, 0, 0, "optimizer")

    # DDP's buckets hold the gradients from the first update on, accumulation those of an update.
    standing = config.train.accumulate > 1 or (ranks > 1 and not sharded)
    for t in trace(
        config,
        shape,
        device,
        weights.depths,
        gradients=standing and not sharded,
        sharded=sharded,
    ):
        gradients = t.layers + t.own + t.root
        working = t.working + workspace(device)
        if sharded:
            # Of a layer that is done a rank has its share; the root's are divided at the end.
            done = full * t.layers // (product * share)
            gradients = done + t.own + np.where(t.in_layer, full * t.root // product, t.root)
            working = working + _gathered(weights, full, product, t)
        if standing:
            gradients = parameters + (t.own + t.root if sharded else gradients)
        at = int(np.argmax(gradients + t.activations + working))
        yield Memory(
            *always,
            int(gradients[at]),
            int(t.activations[at]),
            int(working[at]),
            _name(t.places[at]),
        )


def _name(place: MadeAt) -> str:
    """A module without its number: ``decoder.cross_attn.q_proj``; the whole is the loss."""
    name = re.sub(r"\.[^.]+\.\d+(?=\.|$)", "", place.module).removeprefix("model.") or "loss"
    return name if place.backward else f"{name}, forward"


def workspace(device: DeviceKind) -> int:
    """What cuBLAS takes for itself: 32 MiB on a Hopper GPU, for forward's and backward's thread."""
    return 2 * 32 * 2**20 if device == "cuda" else 0


def _gathered(weights: Weights, full: int, product: int, t: StepMemory) -> np.ndarray:
    """What FSDP gathers beside the shares, while the root is at work, and while a layer is.

    The root's weights all the time; the layer's at work and the next one's; and the gradients of
    the layer before, on their way.
    """
    root, layer = weights.root, weights.layer
    at_layer = product * (root + 2 * layer) + full * layer
    return np.where(t.in_layer, at_layer, product * (root + layer))
