"""Initial values of the parameters; every draw comes from the caller's generator.

Chapter     walkthroughs/09_whole_model.md
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.module import Array, Parameter


class Undrawn(np.random.Generator):
    """Stands for a generator where weights are to be loaded, so that none are drawn.

    Matrices made with it are read-only zeros that take no memory, until
    ``Module.load_state_dict(state, assign=True)`` puts arrays in their places.
    """

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))


def drawn(parameter: Parameter) -> bool:
    """Whether a parameter has values of its own, and is not one of ``Undrawn``'s."""
    return parameter.data.flags.writeable


def xavier_uniform(
    fan_out: int, fan_in: int, rng: np.random.Generator, dtype: DTypeLike
) -> Parameter:
    """A weight (fan_out, fan_in) from U(-a, a), a = sqrt(6 / (fan_in + fan_out)).

    Keeps the variance of activations and of gradients about level through a linear layer
    (Glorot & Bengio, 2010, section 4.2.1).
    """
    if isinstance(rng, Undrawn):
        return _undrawn((fan_out, fan_in), dtype)
    bound = math.sqrt(6.0 / (fan_in + fan_out))
    return _parameter(rng.uniform(-bound, bound, size=(fan_out, fan_in)), dtype)


def xavier_stack(
    count: int, fan_out: int, fan_in: int, rng: np.random.Generator, dtype: DTypeLike
) -> Parameter:
    """As many weights (count, fan_out, fan_in), each drawn as by ``xavier_uniform``."""
    if isinstance(rng, Undrawn):
        return _undrawn((count, fan_out, fan_in), dtype)
    bound = math.sqrt(6.0 / (fan_in + fan_out))
    return _parameter(rng.uniform(-bound, bound, size=(count, fan_out, fan_in)), dtype)


def scaled_normal(rows: int, width: int, rng: np.random.Generator, dtype: DTypeLike) -> Parameter:
    """A matrix (rows, width) from N(0, 1/width).

    For a tied embedding: times sqrt(width) at the input it has unit variance, and as the output
    projection of a normalised vector it gives logits of unit variance.
    """
    if isinstance(rng, Undrawn):
        return _undrawn((rows, width), dtype)
    return _parameter(rng.standard_normal((rows, width)) / math.sqrt(width), dtype)


def redraw_matrices(
    named: Iterable[tuple[str, Parameter]], std: float, rng: np.random.Generator
) -> None:
    """Draw every matrix anew, from N(0, std^2), whatever its sizes; vectors stay as they are.

    A stack of matrices, one for each expert, is drawn too; a stack of vectors (E, O), its bias, is
    not.

    With a small ``std`` each sub-layer at first adds little to the residual beside it, and large
    learning rates are stable (Nguyen & Salazar, 2019, arXiv:1910.05895). The look-ups of an
    embedding are then small beside the positions too.
    """
    for path, parameter in named:
        if parameter.data.ndim >= 2 and not path.endswith("bias") and drawn(parameter):
            parameter.data[...] = std * rng.standard_normal(parameter.data.shape)


def constant(value: float, size: int, dtype: DTypeLike) -> Parameter:
    """A vector (size,) of one value."""
    return Parameter(np.full(size, value, dtype))


def _undrawn(shape: tuple[int, ...], dtype: DTypeLike) -> Parameter:
    return Parameter(np.broadcast_to(np.zeros((), dtype), shape))


def _parameter(values: Array, dtype: DTypeLike) -> Parameter:
    # Drawn in float64 whatever the dtype, so float32 and float64 models start at the same point.
    return Parameter(values.astype(dtype))
