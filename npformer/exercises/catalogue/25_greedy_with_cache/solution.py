"""Exercise 25: greedy decoding with a key/value cache."""

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
    # The cache has a row for every token before this one, so its length is this one's position.
    x = weights.embedding[token] + weights.positions[len(keys)]  # (D,)
    # Earlier keys and values are what they were: no later token reaches an earlier row. The token
    # attends to itself too, so its own join first.
    keys = np.concatenate([keys, (weights.wk @ x)[None]])  # (t + 1, D)
    values = np.concatenate([values, (weights.wv @ x)[None]])
    # One row of scores, over the past and itself: nothing is left for a mask to hide.
    p = softmax(keys @ (weights.wq @ x) / np.sqrt(len(x)))  # (t + 1,)
    return weights.output @ (x + p @ values), (keys, values)


def greedy(weights, limit):
    """Token 0 begins and ends -> the list of at most ``limit`` ids in between."""
    token, cache, tokens = 0, empty_cache(weights), []
    while len(tokens) < limit:
        logits, cache = step(token, cache, weights)
        token = int(np.argmax(logits))  # the largest logit is the largest probability
        if token == 0:
            break
        tokens.append(token)
    return tokens


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
