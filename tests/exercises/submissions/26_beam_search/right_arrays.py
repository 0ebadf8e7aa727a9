import numpy as np


def log_softmax(logits):
    z = logits - logits.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def beam_search(logits, beam, alpha, limit):
    log_p = log_softmax(logits)  # (V, V)
    v = len(log_p)
    prefixes, total = np.zeros((1, 1), int), np.zeros(1)  # each row begins with the 0 before it
    results, room = [], beam
    for n in range(1, limit + 1):
        grown = (total[:, None] + log_p[prefixes[:, -1]]).ravel()  # (R * V,)
        order = np.argsort(-grown, kind="stable")[:room]
        prefixes = np.hstack([prefixes[order // v], (order % v)[:, None]])
        total = grown[order]
        ended = prefixes[:, -1] == 0
        lp = ((5 + n) / 6) ** alpha
        results += [(total[i] / lp, -n, prefixes[i, 1:-1]) for i in np.flatnonzero(ended)]
        room -= ended.sum()
        prefixes, total = prefixes[~ended], total[~ended]
        if len(total) == 0:
            break
    if not results:
        return prefixes[0, 1:], total[0] / lp
    best = int(np.argmax([score for score, _, _ in results]))
    return results[best][2], results[best][0]
