"""Wrong versions of attention: what is hidden from whom."""

from __future__ import annotations

import numpy as np

from npformer.cards.ops import attention_by_hand as right
from npformer.cards.ops.attention import card
from npformer.cards.ops.attention_by_hand import forward
from npformer.cards.ops.attention_invariants import _blind
from npformer.cards.ordinary import only, option
from npformer.ops.attention import attention_forward
from npformer.ops.softmax import softmax_forward


def _plain(case):
    return not _blind(case).any() and all(
        np.abs(a).max(initial=0) < 1e3 for a in case.inputs.values()
    )


def _square(case):
    return case.inputs["q"].shape[1] == case.inputs["k"].shape[1]


def _after(scores, sink, seen):
    probs, sunk = right.softmax(scores, sink, seen)
    return np.where(seen, probs, 0), sunk


card.wrong_forward(
    "mask-after-softmax", "the mask is applied to the weights, which then sum to less"
)(forward(hide=lambda scores, seen: scores, softmax=_after))


card.wrong_forward(
    "finite-mask",
    "-1e9 stands for -inf: rows that see nothing attend to everything",
    seen="karpathy/minGPT#75",
    smallest="q (1, 1, 1, 1), k (1, 1, 1, 1), v (1, 1, 1, 1)",
    missed_by=only("no query that sees nothing, and scores of ordinary size", _plain),
)(forward(hide=lambda scores, seen: np.where(seen, scores, scores.dtype.type(-1e9))))


@card.wrong_forward(
    "mask-inverted",
    "True hides where it should show",
    seen="harvard-edge/cs249r_book#1785",
    smallest="q (1, 1, 1, 1), k (1, 1, 1, 1), v (1, 1, 1, 1)",
    missed_by=option("no mask", mask=None),
)
def _inverted(q, k, v, mask=None, *others, **options):
    return attention_forward(q, k, v, None if mask is None else ~mask, *others, **options)


def _unguarded(scores, sink, seen):
    if sink is not None:
        return right.softmax(scores, sink, seen)
    return softmax_forward(scores)[0], None


card.wrong_forward(
    "nan-rows",
    "a query that sees nothing gives NaN",
    seen="pytorch/pytorch#41508",
    smallest="q (1, 1, 1, 1), k (1, 1, 1, 1), v (1, 1, 1, 1)",
    missed_by=only("no query that sees nothing", lambda case: not _blind(case).any()),
)(forward(softmax=_unguarded))


def _triangle(t, s, by=0):
    """What a query sees where ``causal`` is set: the last one all keys, and ``by`` more."""
    return np.tri(t, s, s - t + by, dtype=bool)


def _instead(triangle):
    """The forward with ``triangle(t, s)`` in the place of the causal mask."""

    def allowed(t, s, mask, causal, window):
        seen = right.allowed(t, s, mask, causal and window is not None, window)
        return seen & triangle(t, s) if causal and window is None else seen

    return forward(allowed=allowed)


card.wrong_forward("causal-leak", "the causal mask is off by one: a position sees the next")(
    _instead(lambda t, s: _triangle(t, s, 1))
)


card.wrong_forward("causal-blind", "the causal mask is off by one: a position does not see itself")(
    _instead(lambda t, s: _triangle(t, s, -1))
)

_from_the_start = _instead(lambda t, s: np.tri(t, s, dtype=bool))

card.wrong_forward(
    "causal-aligned-at-the-start",
    "query t sees the keys up to t, although the keys begin before the queries",
    seen="gittensor-ai-lab/sparkinfer#3",
    smallest="q (1, 2, 1, 1), k (1, 1, 1, 1), v (1, 1, 1, 1)",
    missed_by=only("as many queries as keys", _square),
)(_from_the_start)


@card.wrong_forward(
    "backward-aligned-at-the-start",
    "the backward has the causal mask at the start, the forward at the end",
    seen="xlite-dev/ffpa-attn#300",
    smallest="q (1, 2, 1, 1), k (1, 1, 1, 1), v (1, 1, 1, 1)",
    missed_by=only("as many queries as keys", _square),
)
def _backward_aligned(*arrays, **options):
    return attention_forward(*arrays, **options)[0], _from_the_start(*arrays, **options)[1]


@card.wrong_forward(
    "causal-only-beside-a-mask",
    "without a mask of its own, attention forgets that it is causal",
    seen="facebookresearch/xformers#103",
    smallest="q (1, 2, 1, 1), k (1, 1, 1, 1), v (1, 1, 1, 1)",
    missed_by=only("a mask in every case", lambda case: case.static["mask"] is not None),
)
def _beside_a_mask(q, k, v, mask=None, *others, causal=False, **options):
    causal = causal and mask is not None
    return attention_forward(q, k, v, mask, *others, causal=causal, **options)


@card.wrong_forward(
    "another-sentences-mask",
    "masks are repeated sentence by sentence, and heads stand head by head",
    seen="lsdefine/attention-is-all-you-need-keras#36",
    smallest="q (2, 1, 2, 1), k (2, 1, 2, 1), v (2, 1, 2, 1)",
    missed_by=only("a batch of one sentence", lambda case: len(case.inputs["q"]) == 1),
)
def _anothers(q, k, v, mask=None, *others, **options):
    b, n = len(q), q.shape[2]
    if mask is not None and mask.ndim == 4 and len(mask) == b and b:
        order = (np.arange(n)[:, None] * b + np.arange(b)) // max(n, 1)  # (N, B)
        heads = np.broadcast_to(mask, (b, n, *mask.shape[2:]))
        mask = heads[order.T, np.arange(n)]  # (B, N, T, S)
    return attention_forward(q, k, v, mask, *others, **options)
