import math
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
    return []


def step(token, cache, weights):
    """The cache is a list of (key, value), and the softmax a running sum over it."""
    x = weights.embedding[token] + weights.positions[len(cache)]
    past = [*cache, (weights.wk @ x, weights.wv @ x)]
    q = weights.wq @ x / math.sqrt(len(x))
    largest, total, y = -math.inf, 0.0, 0.0
    for k, v in past:
        score = float(q @ k)
        top = max(largest, score)
        old, new = math.exp(largest - top), math.exp(score - top)
        largest, total, y = top, old * total + new, old * y + new * v
    return weights.output @ (x + y / total), past


def greedy(weights, limit, tokens=(), past=()):
    if len(tokens) == limit:
        return list(tokens)
    logits, past = step(tokens[-1] if tokens else 0, past, weights)
    best = max(range(len(logits)), key=lambda i: logits[i])
    return greedy(weights, limit, (*tokens, best), past) if best else list(tokens)


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
