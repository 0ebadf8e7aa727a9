r"""muP: what of a parameter has to change with the width (Yang et al., 2021, arXiv:2203.03466).

A learning rate that suits a narrow model is too large for a wide one, for an entry of a matrix
product sums over the width. Adam moves every number of a matrix (out, in) by about the rate, and
all in the direction of one input x: the product moves by rate * sum |x| over ``in`` terms. So
with m = in / in of a base model whose rate is right,

    hidden: out and in grow       initial 1 / sqrt(m)    rate 1 / m    forward 1
    output: in alone grows        initial 1              rate 1        forward 1 / m
    all else                      initial 1              rate 1        forward 1

are the factors on the standard deviation at the start, on Adam's rate, and on what the matrix gives
(the paper's Table 8). A table that is looked up, an embedding or positions, has the shape of an
output and is none: its rows are not summed over. One that is the output projection as well has
the factor there, and not where it is looked up. Attention's scale stays as it is where heads become
more, and is to be 1 / H times a constant where they become wider.

Chapter     walkthroughs/10_optimizers.md
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from npformer.errors import ShapeError
from npformer.nn.init import drawn
from npformer.nn.module import Parameter


class WidthRule(NamedTuple):
    """Factors on what is right for the base model."""

    initial: float = 1.0
    """On the standard deviation of its initial values, which the base model has at every width."""
    rate: float = 1.0
    """On Adam's learning rate."""
    forward: float = 1.0
    """On the product with it."""


Shapes = Mapping[str, tuple[int, ...]]


def width_rules(shapes: Shapes, base: Shapes) -> dict[str, WidthRule]:
    """The rule of every parameter of a model, by its path, from its shapes and a narrower one's.

    An axis whose size differs is one that grows with the width. A matrix is (out, in), an embedding
    (V, D). The output is ``output_proj``, or the ``embedding`` where there is none. Raises
    ShapeError where names or numbers of axes differ.
    """
    if shapes.keys() != base.keys():
        apart = sorted(shapes.keys() ^ base.keys())
        raise ShapeError(f"the models differ in {apart[0]!r}; give two that differ in width alone")
    output = "output_proj.weight" if "output_proj.weight" in shapes else "embedding.weight"
    return {path: _rule(path, shape, base[path], output) for path, shape in shapes.items()}


def _rule(path: str, shape: tuple[int, ...], base: tuple[int, ...], output: str) -> WidthRule:
    if len(shape) != len(base):
        raise ShapeError(f"{path!r} is {shape} in the model and {base} in the base")
    if len(shape) != 2 or shape[1] == base[1]:
        return WidthRule()
    m = shape[1] / base[1]
    if shape[0] == base[0]:
        return WidthRule(forward=1 / m) if path == output else WidthRule()
    return WidthRule(1 / math.sqrt(m), 1 / m)


def is_hidden(path: str, shape: tuple[int, ...]) -> bool:
    """Whether a parameter of a model is a matrix between two widths: one of a layer, no table."""
    parts = path.split(".")
    return len(shape) == 2 and any(part.isdigit() for part in parts) and "positions" not in parts


def scale_hidden(named: Iterable[tuple[str, Parameter]], m: float) -> None:
    """Divide the hidden matrices of a model that is m times wider than its base by sqrt(m)."""
    for path, parameter in named if m != 1 else ():
        if is_hidden(path, parameter.data.shape) and drawn(parameter):
            parameter.data /= math.sqrt(m)


LAST_OF_A_BRANCH = ("out_proj.weight", "linear2.weight", "down_proj.weight")
"""How the paths of matrices end that write to a residual sum."""


def scale_branches(named: Iterable[tuple[str, Parameter]]) -> int:
    """Divide the last matrices of every branch by sqrt(branches); return how many branches.

    The sum of as many branches then has the variance of one, whatever the depth (GPT-2: Radford et
    al., 2019, section 2.3; with two branches a layer it is 1 / sqrt(2 L)).
    """
    last = [(path, parameter) for path, parameter in named if path.endswith(LAST_OF_A_BRANCH)]
    branches = len({branch_of(path) for path, _ in last})
    for _, parameter in last:
        if drawn(parameter):
            parameter.data /= math.sqrt(branches)
    return branches


def branch_of(path: str) -> str:
    """The branch that a matrix is of: experts and the network beside them make one."""
    return ".".join(part for part in path.split(".")[:-2] if part not in ("experts", "shared"))
