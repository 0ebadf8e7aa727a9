"""Wrong ways to write this exercise: those on the op's card by name, and others."""

import numpy as np

from npformer.ops import soft_cross_entropy_forward


def _wrong(dlogits, dtargets=lambda q, logp: -logp):
    """What d is multiplied by: functions of (targets, logp)."""

    def backward(dloss, cache):
        logp, q, divisor, shape = cache
        d = np.asarray(dloss).reshape(-1, 1) / divisor
        return (d * dlogits(q, logp)).reshape(shape), (d * dtargets(q, logp)).reshape(shape)

    return {
        "soft_cross_entropy_forward": soft_cross_entropy_forward,
        "soft_cross_entropy_backward": backward,
    }


def _right(q, logp):
    return q.sum(axis=-1, keepdims=True) * np.exp(logp) - q


MISTAKES = [
    ("p - targets is right only where the targets of a row add up to 1",
     "soft_cross_entropy/mass-forgotten"),
    ("the targets get no gradient", "soft_cross_entropy/targets-detached"),
    ("dtargets is -p; it is -log p", "soft_cross_entropy/targets-get-p"),
    ("dlogits has the wrong sign", "soft_cross_entropy/sign"),
    ("dtargets has the wrong sign", _wrong(_right, lambda q, logp: logp)),
    ("the divisor of the mean is missing", "soft_cross_entropy/not-divided"),
    ("dloss is taken for 1", "soft_cross_entropy/upstream-ignored"),
    ("the sum of targets multiplies the targets too",
     _wrong(lambda q, logp: q.sum(axis=-1, keepdims=True) * (np.exp(logp) - q))),
    ("-targets reaches logp, and is returned: the log-softmax's own backward is missing",
     _wrong(lambda q, logp: -q)),
    ("logp stands where p belongs", _wrong(lambda q, logp: q.sum(-1, keepdims=True) * logp - q)),
]  # fmt: skip
