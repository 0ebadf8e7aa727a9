# diagnosis: finished hypotheses give their places back
import numpy as np


def log_softmax(logits):
    z = logits - logits.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def beam_search(logits, beam, alpha, limit):
    log_p = log_softmax(logits)
    live, finished = [(0.0, [])], []
    for step in range(1, limit + 1):
        penalty = ((5 + step) / 6) ** alpha
        extensions = []
        for log_prob, tokens in live:
            last = tokens[-1] if tokens else 0
            for token in range(len(log_p)):
                extensions.append((log_prob + log_p[last, token], [*tokens, token]))
        best = sorted(extensions, key=lambda pair: -pair[0])[:beam]
        finished += [(p / penalty, tokens[:-1]) for p, tokens in best if tokens[-1] == 0]
        live = [(p, tokens) for p, tokens in best if tokens[-1] != 0]
        if not live:
            break
    if not finished:
        finished = [(p / penalty, tokens) for p, tokens in live]
    score, tokens = max(finished, key=lambda pair: pair[0])
    return tokens, score
