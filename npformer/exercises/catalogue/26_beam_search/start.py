"""Exercise 26: beam search with a length penalty.

    logits (V, V), row: the last token, column: the next; token 0 begins and ends a sentence

log_softmax is given. Write beam_search, then:

    npformer exercise check beam_search
    npformer exercise hint beam_search
"""

import numpy as np


def log_softmax(logits):
    """logits (V, V) -> log probabilities (V, V), each row on its own."""
    z = logits - logits.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def beam_search(logits, beam, alpha, limit):
    """The best sentence of at most ``limit`` tokens, its end counted -> tokens, score."""
    log_p = log_softmax(logits)  # (V, V)
    raise NotImplementedError("return tokens, score")
