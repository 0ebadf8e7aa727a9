"""The most memory that a training update needs at one time, and what it is needed for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from npformer.config import RunConfig
from npformer.plan.operation import Segment
from npformer.plan.parameters import count_parameters, optimizer_size
from npformer.plan.shape import DeviceKind, Precision, Shape
from npformer.plan.tape import Tape


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
    """The operation whose backward it is."""

    @property
    def total(self) -> int:
        """The peak."""
        return self.parameters + self.optimizer + self.gradients + self.activations + self.working


def peak_memory(
    config: RunConfig, shape: Shape, device: DeviceKind = "cuda", ranks: int = 1
) -> Memory:
    """The peak of an update of which each of ``ranks`` devices has batches of ``shape``.

    One rank, or each of DDP's, has everything; FSDP's have a share of parameters, gradients and
    moments, and gather the weights of a layer while they need them.
    """
    return max(_moments(config, shape, device, ranks), key=lambda memory: memory.total)


def _moments(config: RunConfig, shape: Shape, device: DeviceKind, ranks: int) -> Iterator[Memory]:
    """Each moment at which there may be most: the step, the forward's end, every backward."""
    full, product = Precision.of(config)
    sharded = config.twin.parallel == "fsdp" and ranks > 1
    tape = Tape(config, shape, device, sharded=sharded)
    of_root, of_layer = _gathered(config) if sharded else (0, 0)
    of_root, of_layer = of_root + workspace(device), of_layer + workspace(device)

    share = ranks if sharded else 1
    count = math.ceil(count_parameters(config.model).total / share)
    positions = config.model.max_length * config.model.d_model
    always = (full * (count + positions), full * optimizer_size(config.optim, count))
    yield Memory(*always, full * count, 0, 0, "optimizer")

    # DDP's buckets hold the gradients from the first update on, accumulation those of an update.
    standing = config.train.accumulate > 1 or (ranks > 1 and not sharded)
    gathered = full * count if standing else 0
    last = tape.segments[-1].operations[-1]
    kept = sum(_kept_in_forward(segment) for segment in tape.segments)
    yield Memory(*always, gathered, kept, of_root + last.forward, f"{last.module}, forward")

    kept = sum(segment.input if segment.again else segment.keeps for segment in tape.segments)
    made = waiting = 0
    for segment in reversed(tape.segments):
        beside = of_layer if segment.layer else of_root
        kept += segment.keeps if segment.again else 0
        whole = 0  # gradients that FSDP has not divided yet
        for operation in reversed(segment.operations):
            there = gathered + waiting if standing else made
            there += whole * product // full if sharded else 0
            # Beside the gradients of the batches before, a new one is made and then added.
            working = beside + operation.working + operation.gradient
            yield Memory(*always, there, kept, working, operation.module)
            kept -= operation.keeps
            whole += operation.gradient
            made += 0 if sharded else operation.gradient
            waiting += operation.gradient if operation.awaits else 0
        kept -= segment.input if segment.again else 0
        made += (whole // share if segment.layer else whole) if sharded else 0


def _kept_in_forward(segment: Segment) -> int:
    """What a segment's forward leaves, with what autocast holds on to until its end."""
    if not segment.again:
        return segment.keeps
    return segment.input + sum(operation.copies for operation in segment.operations)


def workspace(device: DeviceKind) -> int:
    """What cuBLAS takes for itself: 32 MiB on a Hopper GPU, for forward's and backward's thread."""
    return 2 * 32 * 2**20 if device == "cuda" else 0


def _gathered(config: RunConfig) -> tuple[int, int]:
    """What FSDP gathers beside the shares, while the root is at work, and while a layer is.

    The root's weights all the time; the layer's at work and the next one's; and the gradients of
    the layer before, on their way.
    """
    full, product = Precision.of(config)
    sizes = count_parameters(config.model)
    root = sizes.embedding + sizes.output + sizes.final_norms
    layer = max(sizes.encoder_layer, sizes.decoder_layer)
    return product * (root + layer), product * (root + 2 * layer) + full * layer
