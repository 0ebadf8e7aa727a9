from typing import NamedTuple

import numpy as np


class Weights(NamedTuple):
    embedding: np.ndarray  # (V, D)
    positions: np.ndarray  # (L, D)
    wq: np.ndarray  # (D, D)
    wk: np.ndarray  # (D, D)
    wv: np.ndarray  # (D, D)
    output: np.ndarray  # (V, D)


def softmax(scores):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def whole_forward(tokens, weights):
    x = weights.embedding[tokens] + weights.positions[: len(tokens)]  # (T, D)
    q, k, v = x @ weights.wq.T, x @ weights.wk.T, x @ weights.wv.T  # (T, D)
    past = np.tril(np.ones((len(tokens), len(tokens)), dtype=bool))
    p = softmax(np.where(past, q @ k.T / np.sqrt(x.shape[1]), -np.inf))  # (T, T)
    return (x + p @ v) @ weights.output.T


def empty_cache(weights):
    length, d = weights.positions.shape
    return 0, np.zeros((d, length)), np.zeros((length, d))


def step(token, cache, weights):
    """Keys are kept as columns, in room for all positions, and the number of those in use."""
    t, keys, values = cache
    x = weights.embedding[token] + weights.positions[t]
    keys[:, t] = weights.wk @ x
    values[t] = weights.wv @ x
    scores = np.einsum("d,ds->s", weights.wq @ x, keys[:, : t + 1]) * len(x) ** -0.5
    y = x + np.einsum("s,sd->d", softmax(scores), values[: t + 1])
    return np.einsum("vd,d->v", weights.output, y), (t + 1, keys, values)


def greedy(weights, limit):
    cache, tokens = empty_cache(weights), [0]
    for _ in range(limit):
        logits, cache = step(tokens[-1], cache, weights)
        tokens.append(logits.argmax())
        if tokens[-1] == 0:
            return tokens[1:-1]
    return tokens[1:]


def cached_logits(tokens, embedding, positions, wq, wk, wv, output, hide=False):
    weights = Weights(embedding, positions.copy(), wq, wk, wv, output)
    cache, rows = empty_cache(weights), []
    for t, token in enumerate(tokens):
        logits, cache = step(int(token), cache, weights)
        rows.append(logits)
        if hide:
            weights.positions[t] = np.nan
    return np.array(rows)


def decode(embedding, positions, wq, wk, wv, output, limit):
    return greedy(Weights(embedding, positions, wq, wk, wv, output), limit)
