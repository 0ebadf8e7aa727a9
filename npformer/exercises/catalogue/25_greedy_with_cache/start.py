"""Exercise 25: greedy decoding with a key/value cache.

    logits (T, V) of tokens (T,); a cache of t positions holds keys (t, D) and values (t, D)

All but step and greedy is given. Write these two, then:

    npformer exercise check greedy_with_cache
    npformer exercise hint greedy_with_cache
"""

from typing import NamedTuple

import numpy as np


class Weights(NamedTuple):
    """V tokens, L positions, width D."""

    embedding: np.ndarray  # (V, D)
    positions: np.ndarray  # (L, D)
    wq: np.ndarray  # (D, D)
    wk: np.ndarray  # (D, D)
    wv: np.ndarray  # (D, D)
    output: np.ndarray  # (V, D)


def softmax(scores):
    """scores (..., K) -> probabilities (..., K)."""
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def whole_forward(tokens, weights):
    """tokens (T,) -> logits (T, V), without a cache."""
    x = weights.embedding[tokens] + weights.positions[: len(tokens)]  # (T, D)
    q, k, v = x @ weights.wq.T, x @ weights.wk.T, x @ weights.wv.T  # (T, D)
    past = np.tril(np.ones((len(tokens), len(tokens)), dtype=bool))
    p = softmax(np.where(past, q @ k.T / np.sqrt(x.shape[1]), -np.inf))  # (T, T)
    return (x + p @ v) @ weights.output.T


def empty_cache(weights):
    """Before the first token: keys (0, D), values (0, D)."""
    d = weights.embedding.shape[1]
    return np.zeros((0, d)), np.zeros((0, d))


def step(token, cache, weights):
    """The next token's id and the cache so far -> logits (V,), the cache with this token in it."""
    keys, values = cache  # (t, D) each
    raise NotImplementedError("return logits, cache")


def greedy(weights, limit):
    """Token 0 begins and ends -> the list of at most ``limit`` ids in between."""
    raise NotImplementedError("return tokens")


def cached_logits(tokens, embedding, positions, wq, wk, wv, output, hide=False):
    """tokens (T,) -> logits (T, V), one step for each; ``hide`` puts nan into past positions."""
    weights = Weights(embedding, positions.copy(), wq, wk, wv, output)
    cache, rows = empty_cache(weights), []
    for t, token in enumerate(tokens):
        logits, cache = step(int(token), cache, weights)
        rows.append(logits)
        if hide:
            weights.positions[t] = np.nan
    return np.array(rows)


def decode(embedding, positions, wq, wk, wv, output, limit):
    """The tokens that greedy gives for these weights."""
    return greedy(Weights(embedding, positions, wq, wk, wv, output), limit)
