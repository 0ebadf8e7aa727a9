import numpy as np


def cross_entropy_forward(logits, targets, label_smoothing=0.0, ignore_index=-100):
    rows, classes = logits.shape
    loss, dlogits, count = 0.0, np.zeros(logits.shape), 0
    for r in range(rows):
        if targets[r] == ignore_index:
            continue
        count += 1
        total = np.exp(logits[r]).sum()
        for c in range(classes):
            q = label_smoothing / classes
            if c == targets[r]:
                q += 1 - label_smoothing
            loss -= q * (logits[r, c] - np.log(total))
            dlogits[r, c] = np.exp(logits[r, c]) / total - q
    return np.array(loss / max(count, 1)), dlogits / max(count, 1)


def cross_entropy_backward(dloss, cache):
    return dloss * cache
