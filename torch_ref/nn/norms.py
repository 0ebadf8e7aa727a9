"""Norms by name: layer norm with or without a bias; RMS norm with w, 1 + w or no weight."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from npformer.errors import ConfigError, nearest
from torch_ref.nn.layer_norm import LayerNorm
from torch_ref.nn.rms_norm import RMSNorm

NORMS: dict[str, Callable[..., nn.Module]] = {
    "layer_norm": LayerNorm,
    "layer_norm_no_bias": partial(LayerNorm, bias=False),
    "rms_norm": RMSNorm,
    "rms_norm_plus_one": partial(RMSNorm, plus_one=True),
    "rms_norm_no_weight": partial(RMSNorm, weight=False),
}


def make_norm(
    name: str,
    size: int,
    eps: float = 1e-5,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> nn.Module:
    """The norm of rows of ``size`` numbers; ``name`` is a key of ``NORMS``.

    Raises ConfigError for another.
    """
    if name not in NORMS:
        raise ConfigError(
            f"norm_type is {name!r}; choose one of {', '.join(NORMS)}" + nearest(name, NORMS)
        )
    return NORMS[name](size, eps, dtype=dtype, device=device)
