"""Whether a run has a chance to fit, asked before it begins rather than when it fails."""

from __future__ import annotations

from npformer.config import RunConfig
from npformer.errors import NpformerError
from npformer.plan.advice import advise
from npformer.plan.memory import planned_memory
from npformer.plan.shape import DeviceKind, Shape, full_batch

MARGIN = 1.15
"""How many times the memory an estimate may be: no run that would fit is refused."""


def check_fits(
    config: RunConfig,
    memory: int,
    ranks: int = 1,
    *,
    device: DeviceKind = "cuda",
    shape: Shape | None = None,
) -> None:
    """Raise NpformerError if an update of the twin needs far more than ``memory`` bytes a device.

    ``memory`` is what is free; ``config.model.vocab_size`` that of the tokenizer. ``shape`` is one
    rank's part of the largest batch, where that is known to be smaller than ``batch_tokens`` says.
    The error gives the estimate and what would fit.
    """
    length = min(32, config.data.max_length, config.data.batch_tokens)
    shape = shape or full_batch(config.data, length, ranks)
    needed = planned_memory(config, shape, device, ranks).total
    if needed <= MARGIN * memory:
        return
    advice = advise(config, memory, ranks, length, device=device)
    enough = [remedy for remedy in advice if remedy.fits]
    said = [f"{_in_training(remedy.options)} ({gigabytes(remedy.total)})" for remedy in enough]
    where = "each GPU" if device == "cuda" and ranks > 1 else "the GPU"
    raise NpformerError(
        f"an update needs about {gigabytes(needed)} on "
        f"{where if device == 'cuda' else 'the CPU'}, where {gigabytes(memory)} are free; "
        + (f"what would fit: {' or '.join(said)}" if said else "a smaller model may fit")
        + "; npformer plan shows where the memory goes"
    )


def _in_training(options: str) -> str:
    """How training takes what ``npformer plan`` has an option for: torchrun counts the GPUs."""
    option, _, value = options.partition(" ")
    return f"{value} GPUs" if option == "--gpus" else options


def gigabytes(size: float) -> str:
    """Bytes for a person: ``1.23 GB``, of 10^9 bytes, or MB below one."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
