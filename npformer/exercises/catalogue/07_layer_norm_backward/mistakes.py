"""Wrong ways to write this exercise, beyond those of the catalogue of mutants."""

from npformer.ops import layer_norm_backward, layer_norm_forward


def _mean(a):
    return a.mean(axis=-1, keepdims=True)


def _sum(a):
    return a.sum(axis=-1, keepdims=True)


def _dx(inner):
    """A backward with dx = rstd (g - inner(dy, g, xhat, rstd))."""

    def backward(dy, cache):
        xhat, rstd, weight = cache
        g, (_, dweight, dbias) = dy * weight, layer_norm_backward(dy, cache)
        return rstd * (g - inner(dy, g, xhat, rstd)), dweight, dbias

    return backward


def _dweight_lacks_xhat(dy, cache):
    dx, _, dbias = layer_norm_backward(dy, cache)
    return dx, dbias, dbias


def _divided_by_rstd(dy, cache):
    dx, dweight, dbias = layer_norm_backward(dy, cache)
    return dx / cache.rstd**2, dweight, dbias


MISTAKES = [
    (sentence, {"layer_norm_forward": layer_norm_forward, "layer_norm_backward": backward})
    for sentence, backward in (
        ("the weight is in the first term of dx, and not inside the two means",
         _dx(lambda dy, g, xhat, rstd: _mean(dy) + xhat * _mean(dy * xhat))),
        ("the term through rstd is divided by D - 1",
         _dx(lambda dy, g, xhat, rstd: _mean(g) + xhat * _sum(g * xhat) / max(g.shape[-1] - 1, 1))),
        ("the term through rstd is added where it should be subtracted",
         _dx(lambda dy, g, xhat, rstd: _mean(g) - xhat * _mean(g * xhat))),
        ("the term through rstd lacks its outer factor xhat",
         _dx(lambda dy, g, xhat, rstd: _mean(g) + _mean(g * xhat))),
        ("the term through rstd has <g> where <g xhat> belongs",
         _dx(lambda dy, g, xhat, rstd: _mean(g) + xhat * _mean(g))),
        ("the term through rstd has the factor rstd twice",
         _dx(lambda dy, g, xhat, rstd: _mean(g) + rstd * xhat * _mean(g * xhat))),
        ("the term through rstd has the factor rstd three times: xhat holds one of them already",
         _dx(lambda dy, g, xhat, rstd: _mean(g) + rstd**2 * xhat * _mean(g * xhat))),
        ("the term through rstd is halved",
         _dx(lambda dy, g, xhat, rstd: _mean(g) + xhat * _mean(g * xhat) / 2)),
        ("a sum stands where the mean <g> belongs",
         _dx(lambda dy, g, xhat, rstd: _sum(g) + xhat * _mean(g * xhat))),
        ("a sum stands where the mean <g xhat> belongs",
         _dx(lambda dy, g, xhat, rstd: _mean(g) + xhat * _sum(g * xhat))),
        ("the means are taken over all rows together; each row needs its own",
         _dx(lambda dy, g, xhat, rstd: g.mean() + xhat * (g * xhat).mean())),
        ("dx is divided by rstd, which is one over the deviation already", _divided_by_rstd),
        ("dweight lacks the factor xhat", _dweight_lacks_xhat),
    )
]  # fmt: skip
