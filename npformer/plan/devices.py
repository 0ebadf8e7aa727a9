"""GPUs by name: their memory, and the arithmetic that they can do in a second.

Source      NVIDIA's data sheets of each product (GeForce: the GA102 and Ada architecture
            whitepapers). Rates are those of dense matrices, half of what a sheet prints "with
            sparsity", with sums in float32. Memory is the sheet's, read as 10^9 bytes a GB: what
            CUDA shows is up to 7 % more, and its own context takes about that.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from npformer.errors import ConfigError, nearest

Arithmetic = Literal["bf16", "tf32", "float32"]
"""What the operands of a matrix product are rounded to."""


class Gpu(NamedTuple):
    """One kind of GPU; rates in TFLOP/s, None where it has no such unit."""

    name: str
    title: str
    cuda_name: str
    """Regular expression for the whole of what CUDA calls it."""
    memory_gb: float
    bf16: float | None
    tf32: float | None
    float32: float

    @property
    def memory(self) -> int:
        """Bytes."""
        return int(self.memory_gb * 1e9)

    def peak_flops(self, arithmetic: Arithmetic) -> float:
        """Operations a second at most. Raises ConfigError if it has no unit for them."""
        rate: float | None = getattr(self, arithmetic)
        if rate is None:
            raise ConfigError(
                f"{self.title} has no {arithmetic} matrix units"
                + ("; plan with --precision full" if arithmetic == "bf16" else "")
            )
        return rate * 1e12


GPUS = {
    gpu.name: gpu
    for gpu in (
        Gpu("b200", "NVIDIA B200", r"NVIDIA B200", 180, 2250, 1125, 75),
        Gpu("h200", "NVIDIA H200 SXM", r"NVIDIA H200", 141, 989.5, 494.5, 67),
        Gpu("h100", "NVIDIA H100 SXM", r"NVIDIA H100( 80GB HBM3)?", 80, 989.5, 494.5, 67),
        Gpu("h100-nvl", "NVIDIA H100 NVL", r"NVIDIA H100 NVL", 94, 835.5, 417.5, 60),
        Gpu("h100-pcie", "NVIDIA H100 PCIe", r"NVIDIA H100 PCIe", 80, 756, 378, 51),
        Gpu("a100-80", "NVIDIA A100 80 GB", r"(NVIDIA )?A100\b.*80GB.*", 80, 312, 156, 19.5),
        Gpu("a100-40", "NVIDIA A100 40 GB", r"(NVIDIA )?A100\b.*40GB.*", 40, 312, 156, 19.5),
        Gpu("l40s", "NVIDIA L40S", r"NVIDIA L40S", 48, 362, 183, 91.6),
        Gpu("l4", "NVIDIA L4", r"NVIDIA L4", 24, 121, 60, 30.3),
        Gpu("a10", "NVIDIA A10", r"NVIDIA A10", 24, 125, 62.5, 31.2),
        Gpu(
            "rtx4090", "NVIDIA GeForce RTX 4090", r"NVIDIA GeForce RTX 4090", 24, 165.2, 82.6, 82.6
        ),
        Gpu("rtx3090", "NVIDIA GeForce RTX 3090", r"NVIDIA GeForce RTX 3090", 24, 71, 35.6, 35.6),
        Gpu("v100-32", "NVIDIA V100 SXM2 32 GB", r"Tesla V100-SXM2-32GB", 32, None, None, 15.7),
        Gpu("v100-16", "NVIDIA V100 SXM2 16 GB", r"Tesla V100-SXM2-16GB", 16, None, None, 15.7),
        Gpu("t4", "NVIDIA T4", r"(NVIDIA|Tesla) T4", 16, None, None, 8.1),
    )
}


def named_gpu(name: str) -> Gpu:
    """The GPU of that name in ``GPUS``. Raises ConfigError, with the nearest one."""
    if name not in GPUS:
        raise ConfigError(
            f"GPU {name!r} is not known; choose one of {', '.join(GPUS)}" + nearest(name, GPUS)
        )
    return GPUS[name]


def recognised_gpu(cuda_name: str) -> Gpu | None:
    """The GPU that CUDA calls, say, ``NVIDIA A100-SXM4-80GB``; None for one not in ``GPUS``."""
    return next((gpu for gpu in GPUS.values() if re.fullmatch(gpu.cuda_name, cuda_name)), None)
