"""What the engine needs to know of the device: its memory, its speed, and running out of it."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from npformer.errors import NpformerError
from npformer.plan.devices import recognised_gpu
from npformer.plan.shape import DeviceKind
from npformer.text.batches import Batch
from npformer.train.memory import free_memory as free_of_machine
from npformer.train.memory import peak_memory
from npformer.train.ranks import Ranks
from torch_ref.train.place import Place
from torch_ref.train.precision import Precision
from torch_ref.train.ranks import TorchRanks, choose_device

SIDE = 1024
"""Rows and columns of the matrices whose product tells a CPU's speed."""


def choose(wanted: torch.device | str, ranks: Ranks | None) -> torch.device:
    """The device of this rank, or for ``wanted``: auto, cpu, cuda, or any that PyTorch names.

    Raises ConfigError for CUDA where there is none.
    """
    if isinstance(ranks, TorchRanks):
        return ranks.device
    if wanted in ("auto", "cuda"):
        return choose_device(str(wanted), Place())
    return torch.device(wanted)


def on_device(batch: Batch, device: torch.device) -> tuple[dict[str, Tensor], Tensor]:
    """Inputs and targets of a batch as int64 tensors; a GPU copies them while it computes."""

    def moved(ids: np.ndarray) -> Tensor:
        tensor = torch.tensor(ids, dtype=torch.int64)
        if device.type == "cuda":
            return tensor.pin_memory().to(device, non_blocking=True)
        return tensor.to(device)

    return {name: moved(ids) for name, ids in batch.inputs.items()}, moved(batch.targets)


def memory(device: torch.device) -> int:
    """The most bytes so far: of what PyTorch took from a GPU, or of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    return peak_memory()


def free_memory(device: DeviceKind) -> int:
    """Bytes that can be had: of this process's GPU, or of the machine without swapping."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    return free_of_machine()


def peak_flops(device: torch.device, precision: Precision) -> float:
    """Floating-point operations a second that the device can do in matrix products, at most.

    A GPU's are from its data sheet, 0.0 for one that is not in ``npformer/plan/devices.py``. A
    CPU's are measured, on as many threads as PyTorch uses.
    """
    if device.type == "cpu":
        return _measured(precision.products, torch.get_num_threads())
    gpu = recognised_gpu(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
    rate = getattr(gpu, precision.arithmetic, None)
    return 0.0 if rate is None else rate * 1e12


@functools.cache
def _measured(dtype: torch.dtype, threads: int) -> float:
    """The best of a few products on the CPU; what disturbs one only makes it slower."""
    a = torch.full((SIDE, SIDE), 0.5, dtype=dtype)
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - began)
    return 2 * SIDE**3 / min(seconds)


@contextmanager
def enough_memory(device: torch.device) -> Iterator[None]:
    """Raise ``NpformerError``, which says what to do, where PyTorch runs out of memory."""
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one
        on_cpu = "DefaultCPUAllocator" in str(error)
        if not isinstance(error, torch.OutOfMemoryError) and not on_cpu:
            raise
        raise NpformerError(
            f"the memory of {device} is too small for this batch: make batch_tokens smaller and "
            "accumulate larger by the same factor, which trains the same; or use "
            "--checkpoint-activations, --loss-chunk 4096 or --precision bf16"
        ) from error
