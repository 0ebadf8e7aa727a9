r"""Patch embedding: the squares of an image, each through one linear map (ViT: arXiv:2010.11929).

Shapes      x : (B, C, Y, X)    weight : (D, C, P, P)    bias : (D,)    y : (B, L, D)
            patches : (B, L, C, P, P)

            Y and X are the image's height and width, P the side of a patch, which divides both,
            and L = (Y / P) (X / P) the number of patches, row by row, as one reads.

Forward     patches = x, cut into squares
            y       = patches weight^T + bias          over the C P P numbers of a patch

Backward    Cutting moves every number to one place and loses none, so its backward is to put the
            squares together again. The rest is a linear map (linear.py):

                dpatches = dy weight
                dweight  = dy^T patches
                dbias    = sum of dy over b and l
                dx       = dpatches, put together

Reading     This is a convolution whose stride is its width: no pixel is in two windows, and so dx
            is an arrangement and not a sum, as conv1d.py's is. What can go wrong is the order: of
            the patches (by rows or by columns), and of the numbers in one (channels first, as in
            PyTorch and here, or last, as in TensorFlow and JAX). A wrong order trains as well, and
            reads a trained weight as noise.

Chapter     walkthroughs/05_embeddings_positions.md
"""

from __future__ import annotations

from typing import NamedTuple

from npformer.errors import ShapeError
from npformer.ops.array import Array, rows, summed_rows
from npformer.seam import op


class PatchEmbeddingCache(NamedTuple):
    patches: Array | None  # (B L, C P P); None where the weight is a constant
    weight: Array  # (D, C, P, P)
    has_bias: bool
    image: tuple[int, ...]  # B, C, Y, X


def cut(x: Array, side: int) -> Array:
    """x (B, C, Y, X) -> patches (B, Y / side, X / side, C, side, side).

    Raises ``ShapeError`` where the patches do not cover the image.
    """
    b, c, height, width = x.shape
    if height % side or width % side:
        raise ShapeError(
            f"the image has {height} x {width} pixels, which patches of {side} x {side} do not "
            f"cover; crop or pad it to a multiple of {side}"
        )
    squares = x.reshape(b, c, height // side, side, width // side, side)
    return squares.transpose(0, 2, 4, 1, 3, 5)


def put_together(patches: Array, image: tuple[int, ...]) -> Array:
    """Patches, in any shape, in the order of ``cut`` -> (B, C, Y, X): its inverse."""
    b, c, height, width = image
    side = patches.shape[-1]
    squares = patches.reshape(b, height // side, width // side, c, side, side)
    return squares.transpose(0, 3, 1, 4, 2, 5).reshape(image)


@op
def patch_embedding_forward(
    x: Array, weight: Array, bias: Array | None = None
) -> tuple[Array, PatchEmbeddingCache]:
    """x (B, C, Y, X), weight (D, C, P, P), bias (D,) or None -> y (B, L, D), cache.

    Raises ``ShapeError`` where the patches do not cover the image.
    """
    d, c, side, _ = weight.shape
    grid = cut(x, side)
    b, high, wide = grid.shape[:3]
    patches = grid.reshape(b * high * wide, c * side * side)
    y = patches @ weight.reshape(d, -1).T  # (B L, D)
    if bias is not None:
        y += bias
    cache = PatchEmbeddingCache(patches, weight, bias is not None, x.shape)
    return y.reshape(b, high * wide, d), cache


@op
def patch_embedding_backward(
    dy: Array, cache: PatchEmbeddingCache
) -> tuple[Array, Array | None, Array | None]:
    """dy (B, L, D) -> dx (B, C, Y, X), dweight (D, C, P, P) or None, dbias (D,) or None."""
    patches, weight, has_bias, image = cache
    dy = rows(dy)  # (B L, D)
    dpatches = dy @ weight.reshape(len(weight), -1)  # (B L, C P P)
    dweight = None if patches is None else (dy.T @ patches).reshape(weight.shape)
    dbias = summed_rows(dy) if has_bias else None
    dx = put_together(dpatches.reshape(-1, *weight.shape[1:]), image)
    return dx, dweight, dbias
