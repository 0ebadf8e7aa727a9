r"""Bradley and Terry's loss of pairs: what was preferred is to have the larger reward (1952).

Shapes      chosen, rejected, dchosen, drejected : (P,)    loss : ()    P pairs

Forward     If rewards compete as odds do, chosen wins with probability sigmoid(m),

                m    = chosen - rejected
                loss = sum of -log sigmoid(m) = sum of log(1 + exp(-m))

Backward    The slope of -log sigmoid(m) is sigmoid(m) - 1 = -sigmoid(-m), so

                dchosen   = -dloss sigmoid(-m)
                drejected =  dloss sigmoid(-m)

Reading     sigmoid(-m) is the probability with which the model would have had it the other way
            round: a pair teaches as much as it is wrong. Adding a number to both rewards changes
            nothing, so rewards of different prompts are on no common scale; only differences
            within a pair are.

            log(sigmoid(m)) written as it reads is -inf from m = -104 in float32, and its gradient
            NaN; exp(-m) overflows at 89. It is a sum, as a batch that is cut in two must give the
            same: who wants a mean divides by the pairs of all parts together.

Chapter     walkthroughs/29_learning_from_preferences.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.errors import ShapeError
from npformer.ops.array import Array
from npformer.ops.silu import logistic
from npformer.seam import op


class PairLossCache(NamedTuple):
    m: Array  # (P,)


@op
def pair_loss_forward(chosen: Array, rejected: Array) -> tuple[Array, PairLossCache]:
    """chosen (P,), rejected (P,) -> loss (), cache.

    Raises ``ShapeError`` for rewards that are no pairs.
    """
    if chosen.shape != rejected.shape:
        raise ShapeError(f"chosen {chosen.shape} and rejected {rejected.shape} are no pairs")
    m = chosen - rejected
    return np.asarray(np.logaddexp(0, -m).sum()), PairLossCache(m)


@op
def pair_loss_backward(dloss: Array, cache: PairLossCache) -> tuple[Array, Array]:
    """dloss () -> dchosen (P,), drejected (P,)."""
    dm = -dloss * logistic(-cache.m)
    return dm, -dm
