"""One file an invariant: ``NAME``, ``SENTENCE``, ``look``; in the order in which they are asked.

Where a call does not even repeat, nothing else can be asked.
"""

from types import ModuleType

from npformer.verify.models.invariants import (
    cached_step,
    future,
    future_gradient,
    neighbours,
    padding,
    permutation,
    prefix,
    repeat,
    saving,
    trained,
    two_backwards,
)

INVARIANTS: tuple[ModuleType, ...] = (
    repeat,
    future,
    future_gradient,
    prefix,
    cached_step,
    padding,
    neighbours,
    permutation,
    trained,
    two_backwards,
    saving,
)
