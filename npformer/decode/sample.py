r"""Sampling from the model: temperature, top-k, top-p.

For logits x over the vocabulary, each step draws from

    p_v = exp(x_v / temperature) / sum_u exp(x_u / temperature)

cut, in this order, to the ``top_k`` most probable tokens (Fan et al., 2018) and to the nucleus:
the smallest set of most probable tokens whose mass, of what top-k left, reaches ``top_p``
(Holtzman et al., 2020, section 3.1). What remains is scaled back to a sum of one.

Chapter     walkthroughs/12_decoding.md
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.decode.greedy import greedy
from npformer.decode.rollout import CachedModel, check_finite, roll_out, unwritten
from npformer.decode.top import top_ids
from npformer.errors import ConfigError
from npformer.ops.array import Array


def sample(
    model: CachedModel,
    source: Array,
    *,
    bos: int,
    eos: int,
    rng: np.random.Generator,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    pad: int = 0,
    max_length: int | None = None,
) -> list[list[int]]:
    """source (B, S) ids, padded with ``pad`` -> one sampled list of ids a row, no BOS or EOS.

    ``temperature`` 0 is its limit, greedy decoding, and draws nothing from ``rng``. ``top_k``
    0 and ``top_p`` 1 cut nothing. Every step draws one number for every row of ``source``,
    ended or not, so that what a row gets does not depend on when the others end.

    Length limit, PAD, BOS and ``NonFiniteError`` as in ``greedy``. Raises ``ConfigError`` for
    a setting out of range.
    """
    check_sampling(temperature, top_k, top_p)
    if temperature == 0:
        return greedy(model, source, bos=bos, eos=eos, pad=pad, max_length=max_length)

    def next_ids(ids: Array, state: Any, rows: Array) -> Array:
        logits = model.step(ids, state)
        logits[:, list(unwritten(pad, bos, eos))] = -np.inf
        weights = token_weights(logits, temperature, top_k, top_p)
        return draw(weights, rng.random(len(source))[rows])

    return roll_out(model, source, next_ids, bos=bos, eos=eos, pad=pad, max_length=max_length)


def check_sampling(temperature: float, top_k: int, top_p: float) -> None:
    """Raise ``ConfigError`` for a setting out of range."""
    if not 0 <= temperature < np.inf:
        raise ConfigError(f"temperature is {temperature}; it must be 0 or more, and finite")
    if top_k < 0:
        raise ConfigError(f"top_k is {top_k}; it must be 1 or more, or 0 for no cut")
    if not 0 < top_p <= 1:
        raise ConfigError(f"top_p is {top_p}; it must be in (0, 1]")


def token_weights(logits: Array, temperature: float, top_k: int = 0, top_p: float = 1.0) -> Array:
    """logits (R, V) -> weights (R, V), float64, proportional to the distribution to draw from.

    Tokens that a cut excludes weigh exactly 0, the most probable one exactly 1. Of equally
    probable tokens at the edge of a cut, the smaller ids stay.
    """
    peak = logits.max(axis=1, keepdims=True)
    check_finite(peak)
    with np.errstate(over="ignore"):  # a tiny temperature: -inf and weight 0 are the limit
        weights = np.exp((logits.astype(np.float64) - peak) / temperature)
    if 0 < top_k < logits.shape[1]:
        kept = top_ids(weights, top_k)
        cut = np.zeros_like(weights)
        np.put_along_axis(cut, kept, np.take_along_axis(weights, kept, axis=1), axis=1)
        weights = cut
    if top_p < 1:
        order = np.argsort(-weights, axis=1, kind="stable")
        ranked = np.take_along_axis(weights, order, axis=1)
        mass = np.cumsum(ranked, axis=1)
        # A token goes when those before it suffice; the first never does.
        ranked[:, 1:][mass[:, :-1] >= top_p * mass[:, -1:]] = 0.0
        np.put_along_axis(weights, order, ranked, axis=1)
    return weights


def draw(weights: Array, uniform: Array) -> Array:
    """weights (R, V) >= 0, uniform (R,) in [0, 1) -> ids (R,), by inverting the running sum."""
    mass = np.cumsum(weights, axis=1)
    # A uniform number is at most 1 - 2^-53, so the level rounds to less than the whole mass.
    level = uniform[:, None] * mass[:, -1:]
    return np.count_nonzero(mass <= level, axis=1)
