"""Exercise 26: beam search with a length penalty."""

import numpy as np


def log_softmax(logits):
    """logits (V, V) -> log probabilities (V, V), each row on its own."""
    z = logits - logits.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def beam_search(logits, beam, alpha, limit):
    """The best sentence of at most ``limit`` tokens, its end counted -> tokens, score."""
    log_p = log_softmax(logits)  # (V, V)
    live, finished = [(0.0, [])], []
    for step in range(1, limit + 1):
        penalty = ((5 + step) / 6) ** alpha  # of every sentence that finishes at this step
        extensions = []
        for log_prob, tokens in live:
            last = tokens[-1] if tokens else 0
            for token in range(len(log_p)):
                extensions.append((log_prob + log_p[last, token], [*tokens, token]))
        # By log P: all have the same length, and the penalty would not change their order.
        # sorted is stable, so equal ones stay in the order of hypothesis, then token.
        best = sorted(extensions, key=lambda pair: -pair[0])[: beam - len(finished)]
        finished += [(p / penalty, tokens[:-1]) for p, tokens in best if tokens[-1] == 0]
        live = [(p, tokens) for p, tokens in best if tokens[-1] != 0]
        if not live:
            break
    if not finished:
        finished = [(p / penalty, tokens) for p, tokens in live]
    # Here sentences of different lengths meet, so here the score decides.
    score, tokens = max(finished, key=lambda pair: pair[0])
    return tokens, score
