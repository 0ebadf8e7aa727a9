r"""Rotary positions (Su et al., 2021, arXiv:2104.09864): pairs of columns turn with the position.

Shapes      x, y : (B, T, N, H)    cos, sin : (T, R/2) or (B, T, R/2), R <= H

Forward     The first R columns of a head are R/2 points (a, b) of a plane, by the layout

                half           a = x[..., i]        b = x[..., i + R/2]
                interleaved    a = x[..., 2 i]      b = x[..., 2 i + 1]        i = 0, ..., R/2 - 1

            and point i of the token at position t turns by the angle t w_i, whose cosine and
            sine rotary_tables.py gives:

                y_a = a * cos - b * sin
                y_b = b * cos + a * sin

            The columns from R on stay as they are.

Backward    For one point the forward is the matrix [[cos, -sin], [sin, cos]], and a gradient goes
            back through its transpose, [[cos, sin], [-sin, cos]]:

                da = dy_a * cos + dy_b * sin
                db = dy_b * cos - dy_a * sin

            This is the forward with -sin for sin, a turn by the opposite angle. The tables have no
            gradient.

Reading     A turn changes no length, and the product of a turned query with a turned key depends on
            the difference of their angles alone: q turned by s w and k by t w have the product
            of q and k turned by (t - s) w. So scores know how far two tokens are apart, and not
            where they are.

            Where cos and sin carry a factor m, as YaRN's do, the transpose carries it too: it is
            the inverse turn times m, and not times 1/m.

            The two layouts are one map of differently ordered columns: which is meant is a property
            of trained weights (rotary_layout.py turns one into the other).

Chapter     walkthroughs/16_positions_that_rotate.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.errors import ShapeError
from npformer.ops.array import Array
from npformer.ops.checks import check_choice
from npformer.seam import op

ROTARY_LAYOUTS = ("half", "interleaved")


class RotaryCache(NamedTuple):
    cos: Array  # (T, R/2) or (B, T, R/2)
    sin: Array  # as cos
    layout: str


@op
def rotary_forward(
    x: Array, cos: Array, sin: Array, *, layout: str = "half"
) -> tuple[Array, RotaryCache]:
    """x (B, T, N, H) -> y (B, T, N, H), cache.

    Queries or keys, with ``cos`` and ``sin`` (T, R/2) or (B, T, R/2) of their positions. Raises
    ShapeError for tables that do not fit, ConfigError for a layout not in ``ROTARY_LAYOUTS``.
    """
    check_choice("layout", layout, ROTARY_LAYOUTS)
    _check_tables(x, cos, sin)
    return _turned(x, cos, sin, layout), RotaryCache(cos, sin, layout)


@op
def rotary_backward(dy: Array, cache: RotaryCache) -> Array:
    """dy (B, T, N, H) -> dx (B, T, N, H)."""
    return _turned(dy, cache.cos, -cache.sin, cache.layout)


def _turned(x: Array, cos: Array, sin: Array, layout: str) -> Array:
    cos, sin = cos[..., None, :], sin[..., None, :]  # (T, 1, R/2): every head turns alike
    turned = 2 * cos.shape[-1]
    y = x.copy()  # (B, T, N, H)
    a, b = _points(x, turned, layout)
    y_a, y_b = _points(y, turned, layout)
    np.multiply(a, cos, out=y_a)
    y_a -= b * sin
    np.multiply(b, cos, out=y_b)
    y_b += a * sin
    return y


def _points(x: Array, turned: int, layout: str) -> tuple[Array, Array]:
    if layout == "half":
        return x[..., : turned // 2], x[..., turned // 2 : turned]
    return x[..., 0:turned:2], x[..., 1:turned:2]


def _check_tables(x: Array, cos: Array, sin: Array) -> None:
    if x.ndim != 4:
        raise ShapeError(f"x has shape {x.shape}; it must be (B, T, N, H)")
    leading = (x.shape[1:2], x.shape[:2])
    if cos.shape != sin.shape or cos.shape[:-1] not in leading:
        raise ShapeError(
            f"cos has shape {cos.shape} and sin {sin.shape}; for x of shape {x.shape} both must be "
            f"({x.shape[1]}, R/2) or ({x.shape[0]}, {x.shape[1]}, R/2)"
        )
    if 2 * cos.shape[-1] > x.shape[-1]:
        raise ShapeError(
            f"cos and sin turn {2 * cos.shape[-1]} columns; a head of x has {x.shape[-1]}"
        )
