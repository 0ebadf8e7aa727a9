"""A model's row, and the comparisons that give its figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from npformer.pretrained import Pretrained
from tests.pretrained import measure

ZERO = 1e-13
"""A gradient below this share of the largest one is rounding."""


class Compared(NamedTuple):
    """How far a run is from the library's."""

    logits: float
    """In float64, relative to the largest."""
    gradients: float
    """The same of the worst parameter's gradient."""
    parameters: int
    """How many gradients were compared."""
    float32: float
    """The error of a run in float32, in units of the library's own."""

    def cells(self) -> list[str]:
        """Those of the table."""
        return [
            f"{self.logits:.0e}",
            f"{self.gradients:.0e}",
            str(self.parameters),
            f"{self.float32:.2f}",
        ]


def compared(
    ours: Callable[[Any], Pretrained], theirs: Callable[[Any], Any], ids: np.ndarray
) -> Compared:
    """ids (B, T): logits and every gradient, of a random upstream gradient.

    Each takes NumPy's dtype.
    """
    found = ours(np.float32)
    dlogits = upstream((*ids.shape, found.model.config.vocab_size))
    return runs(
        lambda dtype: measure.of_numpy(ours(dtype), ids, dlogits.astype(dtype)),
        lambda dtype: measure.of_library(found, theirs(dtype), ids, dlogits),
    )


def upstream(shape: tuple[int, ...]) -> np.ndarray:
    """A random upstream gradient, of the size that the mean over tokens has."""
    return np.random.default_rng(0).standard_normal(shape) / (shape[0] * shape[1])


def runs(ours: Callable[[Any], measure.Run], theirs: Callable[[Any], measure.Run]) -> Compared:
    """The same of two runs, each of NumPy's dtype; of each no more is held than its results.

    A gradient that is 0 but for rounding in both, as that of a bias of keys is, to which no softmax
    answers, has no relative error, and is left out.
    """
    exact, wide = theirs(np.float64), ours(np.float64)
    nothing = ZERO * max(abs(gradient).max() for gradient in exact[1].values())
    for name in [name for name, gradient in exact[1].items() if abs(gradient).max() < nothing]:
        assert abs(wide[1].pop(name)).max() < nothing, name
        del exact[1][name]
    logits, gradients = measure.worst(wide, exact)
    del wide
    error = measure.rounding(ours(np.float32), exact)
    own = measure.rounding(theirs(np.float32), exact)
    return Compared(logits, gradients, len(exact[1]), error / own)


def row(*cells: Any) -> str:
    """A line of a table in Markdown."""
    return f"| {' | '.join(map(str, cells))} |"
