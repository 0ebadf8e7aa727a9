r"""Balance loss: even out how many tokens the experts get (Fedus et al., 2021, arXiv:2101.03961).

Shapes      probs, dprobs, push : (R, E)    chosen : (R, k) integers in [0, E)    loss : ()
            texts : (R,) integers below R, the text that a token is of; -1 of one not counted

Forward     Of one text, over its tokens that count, t of them:

                load_e = how many of their choices are e, a part of t k
                mean_e = 1/t sum of probs_e                        over all E experts, chosen or not
                loss   = t * E/k * sum_e (load_e / t) mean_e

            and the sum over the texts. It is t where the load is even, and where probs are. Token
            by token it is a product with what its text has in common,

                push_r = E / (k t) * load                    of r's text; 0 if r is not counted
                loss   = sum_re probs_re push_re

Backward    load is a count, and a constant: no small step of a score changes it. So

                dprobs = dloss * push

Reading     Every token of a text is told alike: the probability of an expert is pushed down in
            proportion to how many tokens it has, whether the token chose it or not.

            The factor t makes it a sum over tokens, which whoever updates divides by the tokens of
            all micro-batches and ranks. The unit is a text, for load times mean is a product of two
            averages: those of a batch would be others if the batch were cut. (DeepSeek-V3 has it by
            texts for another reason: arXiv:2412.19437, equation 17.)

Chapter     walkthroughs/25_choosing_experts.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.errors import ShapeError
from npformer.ops.array import Array
from npformer.ops.checks import check_ids
from npformer.seam import op


class BalanceLossCache(NamedTuple):
    push: Array  # (R, E)


@op
def balance_loss_forward(
    probs: Array, chosen: Array, texts: Array
) -> tuple[Array, BalanceLossCache]:
    """probs (R, E), chosen (R, k), texts (R,) -> loss (), cache.

    Raises ``ShapeError`` for arrays that do not fit, ``IndexError`` for what are no experts and no
    texts.
    """
    rows, experts = probs.shape
    check_ids(chosen, experts, "expert")
    check_ids(texts + 1, rows + 1, "text, counted from 1,")
    if chosen.shape[:-1] != (rows,) or texts.shape != (rows,):
        raise ShapeError(
            f"chosen {chosen.shape} and texts {texts.shape} do not fit probs {probs.shape}"
        )
    counted = texts >= 0
    of, k = texts[counted], chosen.shape[1]
    pairs = of[:, None] * experts + chosen[counted]  # of a text and an expert
    load = np.bincount(pairs.ravel(), minlength=rows * experts).reshape(rows, experts)
    t = np.maximum(np.bincount(of, minlength=rows), 1)[:, None]
    push = np.where(counted[:, None], (experts / (k * t) * load)[texts], 0).astype(probs.dtype)
    loss = np.asarray(np.vdot(np.where(counted[:, None], probs, 0), push))
    return loss, BalanceLossCache(push)


@op
def balance_loss_backward(dloss: Array, cache: BalanceLossCache) -> Array:
    """dloss () -> dprobs (R, E)."""
    return dloss * cache.push
