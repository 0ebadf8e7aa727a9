"""Arrays and tensors as code that makes them, exact to the last digit."""

from __future__ import annotations

import numpy as np

from npformer.cards.case import Array
from npformer.cards.values import layout_of, stored
from npformer.verify.subjects.engines import Engine
from npformer.verify.subjects.tensors import part_of


def array_literal(array: Array) -> str:
    """``np.array([[1.0, 2.0]])``, exact to the last digit; the layout too, where it matters."""
    plain = np.ascontiguousarray(array).reshape(array.shape)
    text = f"np.array({_nested(plain, 'np')}{_dtype(array, 'np')})"
    if array.size == 0:
        text = f"np.zeros({array.shape}{_dtype(array, 'np')})"
    layout = layout_of(array)
    return text if layout == "C" else f"in_layout({text}, {layout!r})"


def tensor_literal(
    array: Array, differentiated: bool, bfloat16: bool = False, device: str = "cpu"
) -> str:
    """``torch.tensor([[1.0]], dtype=torch.float64, requires_grad=True)``."""
    kind = "bfloat16" if bfloat16 and array.dtype.kind == "f" else array.dtype
    usual = array.dtype in (np.int64, np.bool_)  # what torch.tensor makes of such numbers
    dtype = "" if usual else f", dtype=torch.{kind}"
    dtype += "" if device == "cpu" else f", device={device!r}"
    more = ", requires_grad=True" if differentiated else ""
    leaf = ".requires_grad_()" if differentiated else ""
    if array.size == 0:
        return f"torch.zeros({array.shape}{dtype}{more})"
    once = stored(array)
    if once.size < array.size:
        return f"{tensor_literal(once, False, bfloat16, device)}.expand({array.shape}){leaf}"
    values = _nested(np.ascontiguousarray(array).reshape(array.shape), "torch")
    part = part_of(array)
    if part is None:
        return f"torch.tensor({values}{dtype}{more})"
    gap = "torch.nan" if array.dtype.kind == "f" else "0"
    return (
        f"torch.full(({part.length},), {gap}{dtype})"
        f".as_strided({array.shape}, {part.strides}, {part.offset})"
        f".copy_(torch.tensor({values}{dtype})){leaf}"
    )


def foreign_literal(array: Array, engine: Engine) -> str:
    """``xp.asarray([[1.0]], dtype=xp.float64)``; of JAX ``jnp.asarray``, and no layout."""
    xp = alias(engine)
    usual = array.dtype.kind in "ib" and (engine.is_jax or array.dtype != np.int32)
    dtype = "" if usual else f", dtype={xp}.{'bool' if array.dtype.kind == 'b' else array.dtype}"
    if array.size == 0:
        return f"{xp}.zeros({array.shape}{dtype})"
    if layout_of(array) != "C" and not engine.is_jax:
        return f"{xp}.from_dlpack({array_literal(array)})"
    return f"{xp}.asarray({_nested(np.ascontiguousarray(array).reshape(array.shape), xp)}{dtype})"


def alias(engine: Engine) -> str:
    """What the code calls the namespace."""
    return "np" if engine.xp is None else "jnp" if engine.is_jax else "xp"


def _nested(array: Array, library: str) -> str:
    if array.ndim:
        return f"[{', '.join(_nested(each, library) for each in array)}]"
    if array.dtype.kind == "f" and not np.isfinite(array):
        return f"{'-' if array < 0 else ''}{library}.{'nan' if np.isnan(array) else 'inf'}"
    return str(array)


def _dtype(array: Array, library: str) -> str:
    usual = array.dtype in (np.float64, np.int64, np.bool_)
    return "" if usual else f", dtype={library}.{array.dtype}"
