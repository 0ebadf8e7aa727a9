"""The oracles: PyTorch's autograd, and the derivative of the NumPy forward itself.

How exact is the oracle? For float32 it is PyTorch in float64. For float64 there is no wider
PyTorch, so the registered NumPy op runs in extended precision (x87's 64-bit mantissa), and is
believed only where PyTorch's float64 agrees with it within the cap: a formula that is wrong is
wrong by far more than that, so the check stays independent of the derivation, while the
rounding of float64 (ours and PyTorch's own) can be told apart. Where the platform's long double
is no wider than float64 (macOS on ARM, Windows), PyTorch's float64 is itself the reference.

The third oracle, what autograd cannot state, is in ``invariants``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from npformer.verify.component import Case, Component, ModuleComponent, Result, _live

Array = np.ndarray

WIDE = np.finfo(np.longdouble).eps < np.finfo(np.float64).eps
"""Whether ``np.longdouble`` is wider than float64 here."""

SETTLED = 1e-9 if WIDE else 1e-7
"""A directional derivative counts where halving its step moves it by less, of its terms."""
DIRECTIONAL = 1e-8 if WIDE else 1e-6
"""The largest relative gap between it and the gradient."""


def to_tensor(array: Array) -> Tensor:
    """A tensor of its own memory; PyTorch takes no negative strides and no read-only arrays."""
    return torch.from_numpy(np.array(array, order="C"))


def _tensors(static: dict[str, Any]) -> dict[str, Any]:
    return {n: to_tensor(v) if isinstance(v, np.ndarray) else v for n, v in static.items()}


def _gradients(y: Tensor, leaves: dict[str, Tensor], dy: Array) -> dict[str, Array]:
    if not y.requires_grad:  # an empty batch through a lookup may reach no leaf
        return {name: np.zeros(leaf.shape, dy.dtype) for name, leaf in leaves.items()}
    found = torch.autograd.grad(y, list(leaves.values()), to_tensor(dy), allow_unused=True)
    return {
        name: (torch.zeros_like(leaf) if g is None else g).numpy()
        for (name, leaf), g in zip(leaves.items(), found, strict=True)
    }


def run_torch(function: Callable[..., Tensor], case: Case, static: dict[str, Any]) -> Result:
    """A PyTorch function on a case: its output, and autograd's gradient of every input."""
    leaves = {name: to_tensor(a).requires_grad_() for name, a in case.inputs.items()}
    y = function(**leaves, **_tensors(static))
    gradients = _gradients(y, leaves, case.dy)
    return {"y": y.detach().numpy()} | {f"d{name}": g for name, g in gradients.items()}


def run_twin(component: ModuleComponent, case: Case) -> Result:
    """The twin of a module on a case, after its weights have crossed the bridge."""
    from torch_ref.bridge import to_torch

    dtype = torch.from_numpy(np.empty(0, case.dy.dtype)).dtype
    module = component.build_twin(case.static, dtype)
    state = {name: a for name, a in case.inputs.items() if name not in component.inputs}
    to_torch(state, module)
    inputs = {name: to_tensor(case.inputs[name]).requires_grad_() for name in component.inputs}
    y = component.call_twin(module, list(inputs.values()), _tensors(_live(case.static)))
    parameters = dict(module.named_parameters())
    gradients = _gradients(y, {**inputs, **parameters}, case.dy)
    result = {"y": y.detach().numpy()}
    for name in inputs:
        result[f"d{name}"] = gradients[name]
    for name in parameters:
        result[f"grad {name}"] = gradients[name]
    return result


def reference(component: Component, case: Case) -> tuple[Result, Result | None]:
    """The results to measure against, and PyTorch's float64 to check them by, if they are not it.

    The case may be in float32 or float64.
    """
    if case.dy.dtype != np.float64 or not WIDE:
        return component.precise(case.cast(np.float64)), None
    with np.errstate(all="ignore"):
        return component.extended(case.cast(np.longdouble)), component.precise(case)


def directional_gap(component: Component, case: Case, rng: np.random.Generator) -> float | None:
    """| <dy, J v> - <J^T dy, v> | for a random direction v, relative to the size of the terms.

    The left side knows the forward only: central differences, combined so that the h^2 term
    cancels (Richardson), in the widest type there is. None where the forward is not smooth enough
    along v for that to settle (a kink, a row of almost no variance): halving h then tells.
    """
    wide = case.cast(np.longdouble)
    # Rounding grows as 1/h, truncation as h^4; both stay near 1e-14 (1e-10 without a wide type).
    h = np.longdouble(1e-4 if WIDE else 1e-3)
    v = {
        name: rng.standard_normal(a.shape).astype(np.longdouble) for name, a in wide.inputs.items()
    }
    for name, row in component.frozen_rows(case).items():
        if row is not None:
            v[name][row] = 0

    def along(step: Any) -> Array:
        moved = {name: a + step * v[name] for name, a in wide.inputs.items()}
        return component.forward(wide.with_inputs(moved))

    slopes = [(along(h / n) - along(-h / n)) * (n / (2 * h)) for n in (1, 2, 4)]
    coarse, fine = ((4 * b - a) / 3 for a, b in zip(slopes, slopes[1:], strict=False))
    doubt = float(np.abs(wide.dy * (fine - coarse)).sum())
    left = (wide.dy * fine).sum()

    result = component.run(wide)
    gradients = {name: result.get(f"d{name}", result.get(f"grad {name}")) for name in v}
    terms = [np.asarray(g * v[name]) for name, g in gradients.items() if g is not None]
    right = sum(t.sum() for t in terms)
    size = float(sum(np.abs(t).sum() for t in terms) + np.abs(wide.dy * fine).sum())
    if size == 0.0 or doubt > SETTLED * size:
        return None
    # What rounding alone does to the differences: it matters where the true derivative is 0.
    around = max((np.abs(a).max(initial=0.0) for a in wide.inputs.values()), default=0.0)
    noise = 10 * np.finfo(np.longdouble).eps / h * (np.abs(wide.dy) * (1 + around)).sum()
    return max(0.0, float(abs(left - right) - noise) - doubt) / size
