"""Wrong ways to write this exercise: those on the op's card by name, and others."""

import numpy as np

from npformer.ops.rms_norm import RmsNormCache, rms_norm_backward, rms_norm_forward


def _mean(a):
    return a.mean(axis=-1, keepdims=True)


def _dx(formula):
    """A backward whose dx alone is wrong: formula(dy, g, xhat, rstd)."""

    def backward(dy, cache):
        xhat, rstd, weight = cache
        return formula(dy, dy * weight, xhat, rstd), rms_norm_backward(dy, cache)[1]

    return backward


def _dweight(formula):
    """A backward whose dweight alone is wrong: formula(dy, xhat, weight), summed over the rows."""

    def backward(dy, cache):
        dweight = formula(dy, cache.xhat, cache.weight).sum(axis=(0, 1))
        return rms_norm_backward(dy, cache)[0], dweight

    return backward


def _layer_norm(x, weight, eps=1e-5):
    return rms_norm_forward(x - _mean(x), weight, eps=eps)


def _sum_of_squares(x, weight, eps=1e-5):
    rstd = 1 / np.sqrt(np.square(x).sum(axis=-1, keepdims=True) + eps)
    return x * rstd * weight, RmsNormCache(x * rstd, rstd, weight)


def _eps_ignored(x, weight, eps=1e-5):
    return rms_norm_forward(x, weight)


ON_CARD = [
    ("the weight is applied outside the mean term: right at weight = 1", "weight-outside"),
    ("the weight is left out of dx", "weight-forgotten"),
    ("the path through rstd is left out of dx, as if rstd were a constant", "xhat-term-dropped"),
    ("the mean of g is subtracted, which belongs to layer norm: RMS norm has no mean",
     "mean-term-of-layer-norm"),
    ("a sum stands where the mean over D belongs in dx", "sum-for-mean"),
    ("dx lacks the factor rstd", "rstd-missing"),
    ("dweight is averaged over the rows, where it should be summed", "weight-averaged"),
    ("the mean of the row is subtracted in the forward, and not in the backward",
     "mean-subtracted"),
    ("the squares are summed in the forward, and averaged in the backward", "sum-of-squares"),
    ("eps is added to the root, not under it", "eps-outside-the-root"),
]  # fmt: skip
OTHERS = [
    (sentence, {"rms_norm_forward": forward, "rms_norm_backward": backward})
    for sentence, forward, backward in (
        ("the weight is in the first term of dx, and not inside the mean", rms_norm_forward,
         _dx(lambda dy, g, xhat, rstd: rstd * (g - xhat * _mean(dy * xhat)))),
        ("the term through rstd is added where it should be subtracted", rms_norm_forward,
         _dx(lambda dy, g, xhat, rstd: rstd * (g + xhat * _mean(g * xhat)))),
        ("the term through rstd lacks its outer factor xhat", rms_norm_forward,
         _dx(lambda dy, g, xhat, rstd: rstd * (g - _mean(g * xhat)))),
        ("dweight is summed with dy * weight, not with dy", rms_norm_forward,
         _dweight(lambda dy, xhat, weight: dy * weight * xhat)),
        ("dweight lacks the factor xhat", rms_norm_forward, _dweight(lambda dy, xhat, w: dy)),
        ("the mean of the row is subtracted in the forward: this is layer norm", _layer_norm,
         _dx(lambda dy, g, xhat, rstd: rstd * (g - _mean(g) - xhat * _mean(g * xhat)))),
        ("the squares are summed where their mean belongs", _sum_of_squares,
         _dx(lambda dy, g, xhat, rstd: rstd * (g - xhat * (g * xhat).sum(-1, keepdims=True)))),
        ("the argument eps is ignored: 1e-5 stands in its place", _eps_ignored, rms_norm_backward),
    )
]  # fmt: skip
MISTAKES = [*((sentence, f"rms_norm/{name}") for sentence, name in ON_CARD), *OTHERS]
