"""The twin of a run, asked without computing anything."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode

from npformer.config import ModelConfig, RunConfig
from npformer.plan.shape import DeviceKind, Shape
from torch_ref.train.linear_cross_entropy import cross_entropy_and_gradient
from torch_ref.train.objective import TwinObjective, make_objective
from torch_ref.train.precision import Precision

CPU = torch.device("cpu")


def twin(config: RunConfig, device: torch.device | str = CPU) -> TwinObjective:
    """The twin with its loss, as a training engine makes it; not compiled, which keeps no more."""
    config = dataclasses.replace(config, twin=dataclasses.replace(config.twin, compile=False))
    return make_objective(config, Precision.of(config, CPU), torch.device(device)).train()


class LastChunks:
    """The loss of the last whole chunk of ``rows`` targets, and of the rest.

    All whole chunks do the same, with more kept at each than at the one before: none of the others
    has a moment to report.
    """

    def __init__(self, rows: int, chunk: int) -> None:
        self._left = rows // chunk - 1

    def __call__(self, logits: Tensor, targets: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
        self._left -= 1
        if self._left < 0:
            return cross_entropy_and_gradient(logits, targets, **options)
        return logits.new_zeros(()), logits


def ids(shape: Shape, objective: TwinObjective) -> tuple[dict[str, Tensor], Tensor]:
    """What an objective reads: the inputs of its model, (B, S) or (B, T), and targets (B, T)."""
    lengths = {"source": shape.source, "target": shape.target}

    def ones(length: int) -> Tensor:
        return torch.ones((shape.rows, length), dtype=torch.int64)

    inputs = {name: ones(lengths[name]) for name in objective.model.streams}
    return inputs, ones(shape.target)


def shallow(model: ModelConfig, layers: int) -> ModelConfig:
    """The configuration with ``layers`` layers in each stack, or fewer where it has fewer.

    A stack's depth is a field whose name ends in ``layers``. One whose layers are not alike is as
    it is.
    """
    if not model.alike:
        return model
    names = [f.name for f in dataclasses.fields(model) if f.name.endswith("layers")]
    depths = {name: min(layers, getattr(model, name)) for name in names}
    return dataclasses.replace(model, **depths)


def stacks(root: nn.Module) -> dict[str, int]:
    """The number of layers in each list of modules that ``root`` has, by its name."""
    return {name: len(m) for name, m in root.named_modules() if isinstance(m, nn.ModuleList)}


@contextmanager
def fake(device: DeviceKind) -> Iterator[None]:
    """Tensors have shapes and no memory while the block runs, on kernels as ``device`` has them."""
    sdp = torch.backends.cuda  # its name; the setting is for every device
    with ExitStack() as entered:
        allowed = sdp.fp16_bf16_reduction_math_sdp_allowed()
        entered.callback(sdp.allow_fp16_bf16_reduction_math_sdp, allowed)
        entered.enter_context(FakeTensorMode())
        if device == "cuda":
            entered.enter_context(_AsOnCuda())
        yield


def backward(loss: Tensor) -> None:
    """As ``loss.backward()``, which would suspend what ``fake`` puts in the place of functions."""
    torch.autograd.Variable._execution_engine.run_backward(
        (loss,), (torch.ones_like(loss),), False, False, (), True, accumulate_grad=True
    )


class _AsOnCuda(TorchFunctionMode):
    """CUDA's kernels in the place of the CPU's, where theirs keep something else.

    PyTorch has no fake CUDA tensors that autograd takes unless it was built for CUDA, and a plan
    is made where there is none.
    """

    def __torch_function__(
        self,
        func: Any,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func == _IS_CPU:
            return False
        if func is F.dropout:
            return _dropout(*args, **kwargs)
        if func is F.scaled_dot_product_attention and args[0].dtype != torch.float64:
            return _attention(*args, **kwargs)
        return func(*args, **kwargs)


_IS_CPU = torch.Tensor.is_cpu.__get__  # type: ignore[attr-defined]


def _dropout(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """With a mask of a byte a number."""
    return torch.native_dropout(x, p, training)[0] if training and p else x


def _attention(
    q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None, **options: Any
) -> Tensor:
    """Fused: q, k, v, the result and a number a row and head are kept, but no probabilities."""
    if attn_mask is not None:
        attn_mask = attn_mask.expand(*q.shape[:-1], k.shape[-2])
    causal = bool(options.get("is_causal", False))
    fused = torch.ops.aten._scaled_dot_product_efficient_attention
    y: Tensor = fused(q, k, v, attn_mask, True, options.get("dropout_p", 0.0), causal)[0]
    return y
