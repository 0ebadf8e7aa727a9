"""Models small enough to know everything about: each states its next-token logits outright."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np

PAD, UNK, BOS, EOS = 0, 1, 2, 3
IDS = {"bos": BOS, "eos": EOS, "pad": PAD}


class State:
    """Each row's source and all that it was given so far; a wrong ``select`` shows at once."""

    def __init__(self, source):
        self.source = [tuple(row) for row in source.tolist()]
        self.prefix = [()] * len(source)

    def select(self, rows):
        self.source = [self.source[row] for row in rows]
        self.prefix = [self.prefix[row] for row in rows]


class FakeModel:
    """Decodes by ``logits(source row without PAD, prefix from BOS on)`` -> (V,)."""

    def __init__(self, logits, max_length=100):
        self.logits = logits
        self.config = SimpleNamespace(max_length=max_length)
        self.batch_sizes = []

    def start(self, source):
        return State(source)

    def step(self, ids, state):
        assert len(ids) == len(state.prefix), "the cache has another batch than the ids"
        self.batch_sizes.append(len(ids))
        state.prefix = [
            (*prefix, token) for prefix, token in zip(state.prefix, ids.tolist(), strict=True)
        ]
        return np.stack(
            [
                self.logits(tuple(t for t in source if t != PAD), prefix)
                for source, prefix in zip(state.source, state.prefix, strict=True)
            ]
        )


def tree_model(seed, vocab_size=6, spread=1.5, **config):
    """Every prefix has next-token logits of its own: a hash decides them, so nothing is regular."""

    def logits(source, prefix):
        return np.random.default_rng([seed, *source, 99, *prefix]).normal(0, spread, vocab_size)

    return FakeModel(logits, **config)


def chain_model(table, **config):
    """A Markov chain: ``table`` (V, V) holds the probability of each token after each token."""
    with np.errstate(divide="ignore"):
        log_table = np.log(np.asarray(table, dtype=float))
    return FakeModel(lambda source, prefix: log_table[prefix[-1]] + 7.0, **config)


def log_softmax(logits):
    return logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())


def sequence_log_prob(model, source, tokens, *, end=True):
    """Natural log of P(tokens, EOS | source), one token at a time from the logits themselves."""
    prefix, total = (BOS,), 0.0
    for token in [*tokens, EOS] if end else tokens:
        total += log_softmax(model.logits(tuple(source), prefix))[token]
        prefix = (*prefix, token)
    return total


def all_outputs(vocab_size, limit):
    """Every finished output of at most ``limit`` tokens, EOS counted (and not listed)."""
    tokens = [t for t in range(vocab_size) if t not in (PAD, BOS, EOS)]
    for length in range(limit):
        yield from itertools.product(tokens, repeat=length)
