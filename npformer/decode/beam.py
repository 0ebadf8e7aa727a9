r"""Beam search with a length penalty, all sentences and hypotheses on one key/value cache.

Score       A finished hypothesis Y (its tokens and the end token, |Y| of them) has

                score(Y) = log P(Y | X) / lp(|Y|)      lp(n) = ((5 + n) / 6)^alpha

            (Wu et al., 2016, equation 14, without the coverage term). The paper takes a beam
            of 4, alpha = 0.6 and outputs of at most input length + 50 (Vaswani et al., 2017,
            section 6.1). P is the model's own probability over its whole vocabulary; PAD and
            BOS, never targets in training, are only left out of the choice.

Search      The beam of a sentence has K places. Each step extends every live hypothesis by
            every token and keeps the most probable extensions, as many as there are places.
            One that ends in EOS keeps its place and lives no more (Sutskever et al., 2014,
            section 3.2), so with K = 1 this is greedy decoding. A hypothesis that reaches the
            length limit without EOS is cut, and ranks below every finished one.

Stop        A sentence is done when nothing lives, or when its n-th best finished score is at
            least

                bound = s / lp(L)      s: the best live log probability, L: the length limit

            because then no live hypothesis can change the n best. Proof. Let Y be a finished
            extension of a live hypothesis with log probability s' <= s. Each further token
            multiplies the probability by at most 1, so log P(Y) <= s' <= s <= 0. Also
            |Y| <= L, and lp grows with length as alpha >= 0, so 0 < lp(|Y|) <= lp(L). A
            number that is not positive grows when its divisor does:

                score(Y) = log P(Y) / lp(|Y|) <= s / lp(|Y|) <= s / lp(L) = bound.

            Y can at best tie with the n-th, and of equal scores the earlier finished one
            stays ahead.

Ties        Of equally probable extensions the one of the more probable hypothesis comes
            first, then that of the smaller token id. Nothing is left to chance.

Chapter     walkthroughs/12_decoding.md
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from npformer.decode.choice import top_next
from npformer.decode.rollout import CachedModel, output_limits, unwritten
from npformer.errors import ConfigError
from npformer.ops.array import Array
from npformer.seam import quiet


class Hypothesis(NamedTuple):
    """One translation that a search ended with."""

    tokens: list[int]  # without BOS and EOS
    log_prob: float  # natural log of P(tokens, EOS | source); without EOS if cut
    score: float  # log_prob / length_penalty
    finished: bool  # ended in EOS; otherwise cut at the length limit


class _Live(NamedTuple):
    """The hypotheses that may still grow, one a row of the cache; a sentence's rows adjoin."""

    sentence: Array  # (R,) ascending
    log_prob: Array  # (R,) float64, descending within a sentence
    tokens: Array  # (R, longest limit) ids so far, then undefined


def beam(
    model: CachedModel,
    source: Array,
    *,
    bos: int,
    eos: int,
    beam: int = 4,
    alpha: float = 0.6,
    pad: int = 0,
    max_length: int | None = None,
    banned: Collection[int] = (),
    banned_first: Collection[int] = (),
) -> list[list[int]]:
    """source (B, S) ids, padded with ``pad`` -> the best hypothesis of each row, no BOS or EOS.

    ``max_length`` counts EOS; each row's input length + 50 unless given. ``banned`` ids are never
    chosen, ``banned_first`` ones not as a text's first. ``ConfigError`` for a setting out of range,
    ``NonFiniteError`` if the model's logits are not finite.
    """
    found = n_best(
        model,
        source,
        n=1,
        bos=bos,
        eos=eos,
        beam=beam,
        alpha=alpha,
        pad=pad,
        max_length=max_length,
        banned=banned,
        banned_first=banned_first,
    )
    return [hypotheses[0].tokens for hypotheses in found]


@quiet()
def n_best(
    model: CachedModel,
    source: Array,
    *,
    n: int,
    bos: int,
    eos: int,
    beam: int = 4,
    alpha: float = 0.6,
    pad: int = 0,
    max_length: int | None = None,
    banned: Collection[int] = (),
    banned_first: Collection[int] = (),
) -> list[list[Hypothesis]]:
    """As ``beam``, but for each row up to ``n`` <= ``beam`` hypotheses with scores, best first.

    There are fewer than ``n`` only if the model has fewer outputs within the length limit. Raises
    ``ConfigError`` for a ``beam``, ``n`` or ``alpha`` out of range.
    """
    if beam < 1:
        raise ConfigError(f"beam is {beam}; it must be 1 or more")
    if not 1 <= n <= beam:
        raise ConfigError(f"n is {n}; it must be from 1 to the beam, {beam}")
    if not 0 <= alpha < np.inf:
        raise ConfigError(f"alpha is {alpha}; it must be 0 or more, and finite")
    limits = output_limits(model, source, pad, max_length)
    count = len(source)
    if count == 0:
        return []
    penalties = length_penalty(np.arange(limits.max() + 1), alpha)
    finished: list[list[Hypothesis]] = [[] for _ in range(count)]
    cut: list[list[Hypothesis]] = [[] for _ in range(count)]
    nth_score = np.full(count, -np.inf)
    live = _Live(np.arange(count), np.zeros(count), np.empty((count, limits.max()), dtype=np.int64))
    ids = np.full(count, bos, dtype=np.int64)
    state = model.start(source)
    never = unwritten(pad, bos, eos, banned)
    first = unwritten(pad, bos, eos, {*banned, *banned_first})
    for length in range(1, limits.max() + 1):
        log_probs, tokens = top_next(model, ids, state, beam, never if length > 1 else first)
        total = live.log_prob[:, None] + log_probs
        room = beam - np.array([len(ended) for ended in finished])
        parents, places = _choose(live.sentence, total, room, beam)
        ids, log_prob = tokens[parents, places], total[parents, places]
        sentence = live.sentence[parents]
        ends = (ids == eos) | (limits[sentence] == length)
        for i in np.flatnonzero(ends):
            b, value, is_finished = sentence[i], float(log_prob[i]), bool(ids[i] == eos)
            prefix = live.tokens[parents[i], : length - 1].tolist()
            text = prefix if is_finished else [*prefix, int(ids[i])]
            found = Hypothesis(text, value, value / float(penalties[length]), is_finished)
            (finished if is_finished else cut)[b].append(found)
            if is_finished and len(finished[b]) >= n:
                nth_score[b] = sorted(map(_score, finished[b]), reverse=True)[n - 1]
        alive = np.flatnonzero(~ends)
        kept = alive[~_settled(sentence[alive], log_prob[alive], nth_score, penalties[limits])]
        if len(kept) == 0:
            break
        ids, parents = ids[kept], parents[kept]
        if len(kept) != len(live.sentence) or (parents != np.arange(len(kept))).any():
            state.select(parents)
        live = _Live(sentence[kept], log_prob[kept], live.tokens[parents])
        live.tokens[:, length - 1] = ids
    # sorted is stable: of equal scores the earlier finished stays ahead.
    return [
        (sorted(ended, key=_score, reverse=True) + sorted(rest, key=_score, reverse=True))[:n]
        for ended, rest in zip(finished, cut, strict=True)
    ]


def length_penalty(lengths: Array, alpha: float) -> Array:
    """((5 + lengths) / 6) ** alpha, by which log probabilities are divided; EOS counts."""
    return ((5 + lengths) / 6) ** alpha


def _score(hypothesis: Hypothesis) -> float:
    return hypothesis.score


def _choose(sentence: Array, total: Array, room: Array, beam: int) -> tuple[Array, Array]:
    """The best ``room`` (B,) extensions of each sentence among ``total`` (R, K), best first.

    Returns their rows and columns in ``total``, sentence by sentence. Impossible extensions
    (log probability -inf) are never among them.
    """
    rows, places = total.shape
    first = np.searchsorted(sentence, sentence)  # (R,): where the row's sentence begins
    grid = np.full((len(room), beam, places), -np.inf)
    grid[sentence, np.arange(rows) - first] = total
    flat = grid.reshape(len(room), beam * places)
    order = np.argsort(-flat, axis=1, kind="stable")[:, :beam]  # (B, beam)
    taken = np.arange(order.shape[1]) < room[:, None]
    taken &= np.take_along_axis(flat, order, axis=1) > -np.inf
    which, rank = np.nonzero(taken)
    slot, place = np.divmod(order[which, rank], places)
    return np.searchsorted(sentence, which) + slot, place


def _settled(sentence: Array, log_prob: Array, nth_score: Array, penalty: Array) -> Array:
    """Whether the sentence of each live hypothesis (R,) meets the rule of "Stop" above -> (R,).

    nth_score, penalty (B,): each sentence's n-th best finished score, and lp of its limit.
    """
    sentences, first = np.unique(sentence, return_index=True)
    bound = log_prob[first] / penalty[sentences]  # the first is a sentence's most probable
    return np.isin(sentence, sentences[nth_score[sentences] >= bound])
