"""Wrong versions of attention: heads that share keys and values."""

from __future__ import annotations

import numpy as np

from npformer.cards.ops import attention_by_hand as right
from npformer.cards.ops.attention import card
from npformer.cards.ops.attention_by_hand import backward, heads_of
from npformer.cards.ordinary import only
from npformer.ops.attention import attention_backward, attention_forward

_EQUAL = only(
    "as many heads of keys as of queries",
    lambda case: case.inputs["q"].shape[2] == case.inputs["k"].shape[2],
)
_SMALLEST = "q (1, 1, 2, 1), k (1, 1, 1, 1), v (1, 1, 1, 1)"


def _split(dk, groups):
    """(B, S, N, H) -> (B, S, G, N/G, H)."""
    b, s, n, h = dk.shape
    return dk.reshape(b, s, groups, n // max(groups, 1), h)


def _share(name, wrong, reduce, dk=True, **seen):
    """A wrong version that has ``reduce(dk (B, S, N, H), groups)`` for the sum over a group."""

    def wrong_dk(ds, q, groups, scale):
        return scale * reduce(np.einsum("bnts,btnh->bsnh", ds, q), groups)

    def wrong_dv(probs, dy, groups):
        return reduce(np.einsum("bnts,btnh->bsnh", probs, dy), groups)

    steps = {"dk": wrong_dk, "dv": wrong_dv} if dk else {"dv": wrong_dv}
    card.wrong_backward(name, wrong, **seen)(backward(**steps))


_share(
    "group-not-summed",
    "of a group's heads the first alone reaches dk and dv",
    lambda dk, groups: _split(dk, groups)[:, :, :, 0],
    seen="stanford-crfm/levanter#449",
    smallest=_SMALLEST,
    missed_by=_EQUAL,
)
_share("group-overwritten", "each head of a group overwrites what the one before gave dk and dv",
       lambda dk, groups: _split(dk, groups)[:, :, :, -1])  # fmt: skip
_share("group-averaged", "dk and dv are means over the heads of a group",
       lambda dk, groups: right.summed(dk, groups) * (groups / max(dk.shape[2], 1)))  # fmt: skip
_share("dv-of-one-head", "dk is summed over the group, dv is not",
       lambda dk, groups: _split(dk, groups)[:, :, :, 0], dk=False)  # fmt: skip


@card.wrong_backward(
    "keys-turned-again",
    "k and v were kept with heads before positions; they are turned once more, and read as if "
    "they had not been",
    seen="huggingface/diffusers#14338",
    smallest="q (1, 1, 2, 1), k (1, 2, 2, 1), v (1, 2, 2, 1)",
    missed_by=only("one head of keys", lambda case: case.inputs["k"].shape[2] == 1),
)
def _turned_again(dy, cache):
    k, v = (a.swapaxes(1, 2).reshape(a.shape) for a in (cache.k, cache.v))
    return attention_backward(dy, cache._replace(k=k, v=v))


def _modulo(x, n):
    """Head h reads group h mod G."""
    return x[:, :, np.arange(n) % max(x.shape[2], 1)]


def _summed_modulo(dk, groups):
    b, s, n, h = dk.shape
    return dk.reshape(b, s, n // max(groups, 1), groups, h).sum(2)


_share(
    "head-of-another-group",
    "dk and dv of head h go to group h mod G, and the forward read h // (N / G)",
    _summed_modulo,
    seen="XunhaoLai/native-sparse-attention-triton#27",
    smallest="q (1, 1, 4, 1), k (1, 1, 2, 1), v (1, 1, 2, 1)",
    missed_by=only("one group", lambda case: case.inputs["k"].shape[2] == 1),
)


@card.wrong_forward("groups-interleaved", "head h reads group h mod G in both directions")
def _interleaved(q, k, v, *masks, **options):
    n, groups = q.shape[2], max(k.shape[2], 1)
    order = np.argsort(np.arange(n) % groups, kind="stable")  # heads, those of one group together
    y, cache = attention_forward(q[:, :, order], k, v, *masks, **options)
    return y[:, :, np.argsort(order)], cache


def _of_another(ds, k, scale):
    return scale * np.einsum("bnts,bsnh->btnh", ds, _modulo(k, ds.shape[1]))


card.wrong_backward("dq-from-another-group", "dq of head h is made with the k of group h mod G")(
    backward(dq=_of_another)
)


@card.wrong_backward(
    "values-cut-to-the-keys",
    "dprobs is a product over the size of keys, where values are wider",
    seen="XunhaoLai/native-sparse-attention-triton#27",
    smallest="q (1, 1, 1, 1), k (1, 1, 1, 1), v (1, 1, 1, 2), sink (1,)",
    missed_by=only("values no wider than keys", lambda case: (
        case.inputs["v"].shape[3] <= case.inputs["k"].shape[3])),
)  # fmt: skip
def _cut(dy, cache):
    h = cache.k.shape[3]
    return backward(dprobs=lambda dy, v: right.dprobs(dy[..., :h], v[..., :h]))(dy, cache)


def _by_query(x, groups):
    """(B, N, T, S) -> the same numbers, with a group's heads and queries in the wrong order."""
    b, n, t, s = x.shape
    r = n // max(groups, 1)
    return x.reshape(b, groups, t, r, s).swapaxes(2, 3).reshape(b, n, t, s)


@card.wrong_backward("rows-out-of-order", "a group's rows are query by query in dscores, head by "
                     "head in q")  # fmt: skip
def _rows(dy, cache):
    def dk(ds, q, groups, scale):
        return right.dk(_by_query(ds, groups), q, groups, scale)

    return backward(dk=dk)(dy, cache)


@card.wrong_backward("keys-gradient-repeated", "dk of a group is given to each of its heads, and "
                     "summed then: N / G times too large")  # fmt: skip
def _times(dy, cache):
    dq, dk, *others = attention_backward(dy, cache)
    each = heads_of(dk, dq.shape[2])
    return dq, right.summed(each, dk.shape[2]).astype(dk.dtype), *others
