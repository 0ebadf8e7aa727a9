"""Heads beside the arrays of attention: moved forward, and those that share keys in one matrix.

Chapter     walkthroughs/17_fewer_keys.md
"""

from __future__ import annotations

from npformer.ops.array import Array


def swap(x: Array) -> Array:
    """(B, T, N, H) -> (B, N, T, H) and back; a view, which matmul reads as it is."""
    return x.swapaxes(1, 2)


def by_group(x: Array, groups: int) -> Array:
    """(B, T, N, H) -> (B, G, N/G * T, H): the heads that read one k, one after another.

    Where each reads a k of its own, a view.
    """
    b, t, n, h = x.shape
    return swap(x) if n == groups else swap(x).reshape(b, groups, n // groups * t, h)


def by_position(x: Array, heads: int) -> Array:
    """(B, G, N/G * T, H) -> (B, T, N, H)."""
    b, g, rows, h = x.shape
    return swap(x if g == heads else x.reshape(b, heads, rows * g // heads, h))
