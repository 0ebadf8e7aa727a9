"""The random state that every call of PyTorch's starts from, so that dropout repeats."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from npformer.cards.pytorch import torch


@contextlib.contextmanager
def repeatable(device: str = "cpu") -> Iterator[None]:
    """PyTorch's generators, of the CPU and of a device, start from one seed inside.

    They are as they were afterwards.
    """
    generators = [torch.default_generator, *_generators(torch.device(device))]
    states = [g.get_state() for g in generators]  # torch.manual_seed would queue calls for all GPUs
    for generator in generators:
        generator.manual_seed(0)
    try:
        yield
    finally:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


def _generators(device: torch.device) -> list[torch.Generator]:
    if device.type == "cpu":
        return []
    module = torch.get_device_module(device)
    known = getattr(module, "default_generators", ())  # MPS has none that is public
    return (
        [known[module.current_device() if device.index is None else device.index]] if known else []
    )
