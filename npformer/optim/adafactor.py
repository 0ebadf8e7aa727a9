"""Adafactor (Shazeer & Stern, 2018, algorithms 4 and 5, arXiv:1804.04235), as PyTorch has it.

Chapter     walkthroughs/23_steps_that_are_matrices.md
"""

from __future__ import annotations

import math

import numpy as np

from npformer.nn.module import Array
from npformer.optim.flat import FlatParameters
from npformer.optim.optimizer import Optimizer
from npformer.optim.whole_parameters import WholeParameters
from npformer.seam import op

DECAY = -0.8
"""The mean of squares forgets more slowly with every step: its beta is 1 - t^DECAY."""
LEAST_SIZE = 1e-3
"""A parameter smaller than this, such as one that starts at 0, moves as if it were as large."""
MOST = 1.0
"""The root mean square of an update that is not yet scaled, at most."""


@op
def adafactor_update(
    weight: Array,
    gradient: Array,
    squares: tuple[Array, ...],
    *,
    step: int,
    learning_rate: float,
    eps: float,
    weight_decay: float,
) -> None:
    """Step number ``step`` (from 1) of one parameter, in place.

    Adam's v is as large as the model. Here a matrix (..., O, I) keeps the means of the squares of
    its rows and columns, ``squares`` = row (..., O, 1) and col (..., 1, I), and v is put together
    from them: the matrix of rank 1 that has the same sums, and of all of rank 1 the nearest by
    the paper's measure. With beta = 1 - t^-0.8 and <.> for a mean,

        row = beta row + (1 - beta) <g^2> over I
        col = beta col + (1 - beta) <g^2> over O
        v   = row col / <row>

    A vector keeps v itself, ``squares`` = v. The step has the parameter's own size as its unit, and
    an update that is larger than usual, because v is out of date, is clipped as a whole:

        u       = g / sqrt(v)
        u       = u / max(1, RMS(u))
        weight  = (1 - learning_rate weight_decay) weight
        weight -= max(1e-3, RMS(weight)) min(learning_rate, 1 / sqrt(t)) u

    where RMS(weight) is that from before the step. There is no first moment. The paper adds 1e-30
    to the squares; here, as in PyTorch, ``eps`` bounds <row> and sqrt(v) from below. (PyTorch's is
    the dtype's own unless given.)
    """
    size = max(LEAST_SIZE, _rms(weight)) * min(learning_rate, 1 / math.sqrt(step))
    if weight_decay:
        weight *= 1 - learning_rate * weight_decay
    square = np.square(gradient)
    if len(squares) == 2:
        row, col = squares
        row += step**DECAY * (square.mean(axis=-1, keepdims=True) - row)
        col += step**DECAY * (square.mean(axis=-2, keepdims=True) - col)
        v = row / np.maximum(row.mean(axis=-2, keepdims=True), eps) * col
    else:
        (v,) = squares
        v += step**DECAY * (square - v)
    u = gradient / np.maximum(np.sqrt(v), eps)
    weight -= size / max(1.0, _rms(u) / MOST) * u


def _rms(array: Array) -> float:
    """The root of the mean square, summed in float64."""
    return math.sqrt(np.square(array, dtype=np.float64).sum() / max(array.size, 1))


class Adafactor(WholeParameters, Optimizer):
    """One number a row and one a column in the place of Adam's second moment, and no first."""

    def __init__(
        self, flat: FlatParameters, *, eps: float = 1e-8, weight_decay: float = 0.0
    ) -> None:
        super().__init__(flat)
        self.eps, self.weight_decay = eps, weight_decay
        self.kept = {path: _squares(shape, flat.data.dtype) for path, shape in flat.shapes.items()}

    def update_one(
        self, weight: Array, gradient: Array, kept: dict[str, Array], learning_rate: float
    ) -> None:
        """``row_var`` and ``col_var`` are kept of a matrix, ``variance`` of a vector."""
        adafactor_update(
            weight,
            gradient,
            tuple(kept.values()),
            step=self.steps,
            learning_rate=learning_rate,
            eps=self.eps,
            weight_decay=self.weight_decay,
        )


def _squares(shape: tuple[int, ...], dtype: np.dtype) -> dict[str, Array]:
    if len(shape) < 2:
        return {"variance": np.zeros(shape, dtype)}
    row, col = (*shape[:-1], 1), (*shape[:-2], 1, shape[-1])
    return {"row_var": np.zeros(row, dtype), "col_var": np.zeros(col, dtype)}
