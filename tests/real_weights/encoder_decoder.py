"""A Transformer of npformer's from a table of tensors, and its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from npformer.models.transformer import Transformer, TransformerConfig
from npformer.nn.init import Undrawn
from npformer.pretrained.tensors import Entry, Exported, read_parameters, whole
from tests.pretrained.measure import Run

KINDS = ("weight", "bias")


def state_dict(path: Path) -> dict[str, torch.Tensor]:
    """That of a file of PyTorch's, by its weights-only loader."""
    found: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return found


def both(ours: str, theirs: str) -> list[Entry]:
    """A module's weight and bias."""
    return [whole(f"{ours}.{kind}", f"{theirs}.{kind}") for kind in KINDS]


def loaded(
    config: TransformerConfig,
    entries: Sequence[Entry],
    tensors: Mapping[str, torch.Tensor],
    dtype: Any,
    ignored: Mapping[str, str] | None = None,
) -> Transformer:
    """The model of a table of tensors, every one of which is read or ``ignored``."""
    model = Transformer(config, rng=Undrawn(), dtype=dtype)
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    parameters = dict(model.named_parameters())
    assert {path for entry in entries for path in entry.ours} == parameters.keys()
    read_parameters(
        entries,
        arrays,
        parameters,
        ignored=ignored or {},
        tied={},
        spelled={name: name for name in arrays},
        where="the file",
    )
    return model


def of_numpy(
    model: Transformer, entries: Sequence[Entry], source: Any, target: Any, dlogits: np.ndarray
) -> Run:
    """source (B, S), target (B, T) ids, dlogits (B, T, V) -> logits, gradients of the tensors."""
    logits, cache = model.forward(source, target)
    model.zero_grad()
    model.backward(dlogits.astype(logits.dtype), cache)
    gradients = {path: p.grad for path, p in model.named_parameters()}
    return logits, dict(Exported(entries, gradients))


def of_torch(module: torch.nn.Module, source: Any, target: Any, dlogits: np.ndarray) -> Run:
    """The same of a module of PyTorch's.

    Its fused attention takes exp(score - log of the sum) for the weights again in the backward: of
    scores in the millions, as annalog's first layers have, it is off by half in float32
    (findings/sdpa-backward-large-scores.sh). The plain one keeps the weights.
    """
    with sdpa_kernel(SDPBackend.MATH):
        logits = module(torch.from_numpy(source), torch.from_numpy(target))
    logits.backward(torch.from_numpy(dlogits).to(logits.dtype))
    return logits.detach().numpy(), {
        name: parameter.grad.numpy() for name, parameter in module.named_parameters()
    }


def wide(module: torch.nn.Module, dtype: Any) -> torch.nn.Module:
    """A module in the precision of NumPy's ``dtype``, without dropout."""
    return module.to(torch.float64 if dtype is np.float64 else torch.float32).eval()
