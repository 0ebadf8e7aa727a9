# diagnosis: logits, from step, has the shape
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
    d = weights.embedding.shape[1]
    return np.zeros((0, d)), np.zeros((0, d))


def step(token, cache, weights):
    keys, values = cache
    x = weights.embedding[token] + weights.positions[len(keys)]
    keys = np.concatenate([keys, (weights.wk @ x)[None]])
    values = np.concatenate([values, (weights.wv @ x)[None]])
    p = softmax(keys @ (weights.wq @ x) / np.sqrt(len(x)))
    return (x[None] + p @ values) @ weights.output.T, (keys, values)


def greedy(weights, limit):
    token, cache, tokens = 0, empty_cache(weights), []
    while len(tokens) < limit:
        logits, cache = step(token, cache, weights)
        token = int(np.argmax(logits))
        if token == 0:
            break
        tokens.append(token)
    return tokens


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
