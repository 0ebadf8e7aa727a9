"""In which precision the twin keeps its weights, and in which it multiplies."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from npformer.config import RunConfig
from npformer.errors import ConfigError


@dataclass(frozen=True)
class Precision:
    """Weights, gradients, optimizer, norms, soft-max and loss in one dtype, products in another.

    Mixed precision of Micikevicius et al. (2018), as PyTorch's autocast does it: a product's
    operands are rounded on the way in. bfloat16 has float32's range, so the loss needs no scaling.
    """

    weights: torch.dtype
    """Of the weights and of all that is summed up over many updates."""
    products: torch.dtype
    """Of the operands of matrix products and attention."""
    tf32: bool = False
    """Whether float32 products round their operands to 10 bits of mantissa (CUDA)."""

    @classmethod
    def of(cls, config: RunConfig, device: torch.device) -> Precision:
        """What ``config`` asks for on ``device``.

        Raises ConfigError for bf16 over float64 weights, or on a GPU that has no bf16 units.
        """
        dtype: torch.dtype = getattr(torch, config.train.dtype)
        cuda = device.type == "cuda"
        if config.twin.precision == "full":
            return cls(dtype, dtype, config.twin.tf32 and cuda and dtype == torch.float32)
        if dtype != torch.float32:
            raise ConfigError(
                f"precision bf16 works over float32 weights, and dtype is {config.train.dtype}; "
                "use --dtype float32, or --precision full"
            )
        if cuda and not torch.cuda.is_bf16_supported(including_emulation=False):
            raise ConfigError(
                f"{torch.cuda.get_device_name(device)} cannot compute in bf16; use --precision full"
            )
        return cls(dtype, torch.bfloat16, config.twin.tf32 and cuda)

    @property
    def arithmetic(self) -> str:
        """What a product's operands are rounded to: bf16, tf32, float32 or float64."""
        if self.products == torch.bfloat16:
            return "bf16"
        return "tf32" if self.tf32 else str(self.products).removeprefix("torch.")

    def autocast(self, device: torch.device) -> AbstractContextManager[None]:
        """The context in which a forward's products are made as they should be."""
        mixed = self.products != self.weights
        return torch.autocast(device.type, self.products, enabled=mixed)

    def apply(self, device: torch.device) -> None:
        """Set what PyTorch keeps for the whole process: how float32 and bf16 products are made."""
        if device.type == "cuda":
            torch.set_float32_matmul_precision("high" if self.tf32 else "highest")
        else:  # attention's scores in bf16, as the results of the other products
            torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)
