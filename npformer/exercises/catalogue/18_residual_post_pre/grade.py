"""Post-norm, then pre-norm: the submission's residual around the sub-layer that is given."""

from pathlib import Path

from npformer.exercises.faults import gradients
from npformer.exercises.grading import against_solution, first_failure
from npformer.exercises.load import load_python

HERE = Path(__file__).parent


def _around_f(residual_forward, residual_backward):
    """The given code around other functions: a module with ``post_norm_forward`` and the rest."""
    module = load_python(HERE / "solution.py")
    module.residual_forward, module.residual_backward = residual_forward, residual_backward
    return module


SOLUTION = load_python(HERE / "solution.py")
norm_forward, norm_backward = SOLUTION.norm_forward, SOLUTION.norm_backward


def _wrong(name, backward, forward=SOLUTION.residual_forward):
    """The pair of that name with ``backward``, whose cache is that of ``forward``."""
    module = _around_f(forward, backward)
    return {f"{name}_{part}": getattr(module, f"{name}_{part}") for part in ("forward", "backward")}


def _post(skip=1.0, branch=1.0, bare=False, unnormed=False):
    """Post-norm with each path's share changed, or with one of them past the norm."""

    def backward(dy, cache, sublayer_backward, pre_norm):
        dsum, dgain, dbias = norm_backward(dy, cache[0])
        dh = sublayer_backward(dy if unnormed else dsum, cache[1])
        return skip * (dy if bare else dsum) + branch * dh, dgain, dbias

    return _wrong("post_norm", backward)


def _pre(skip=1.0, branch=1.0, normed=False, unnormed=False):
    def backward(dy, cache, sublayer_backward, pre_norm):
        dz = sublayer_backward(dy, cache[1])
        dh, dgain, dbias = norm_backward(dz, cache[0])
        path = norm_backward(dy, cache[0])[0] if normed else dy
        return skip * path + branch * (dz if unnormed else dh), dgain, dbias

    return _wrong("pre_norm", backward)


def _as_the_other(dy, cache, sublayer_backward, pre_norm):
    return SOLUTION.residual_backward(dy, cache, sublayer_backward, not pre_norm)


def _norm_of_sum(dy, cache, sublayer_backward, pre_norm):
    return norm_backward(dy + sublayer_backward(dy, cache[1]), cache[0])


def _norm_inside(x, sublayer, gain, bias, pre_norm):
    h, sublayer_cache = sublayer(x)
    y, norm_cache = norm_forward(h, gain, bias)
    return x + y, (norm_cache, sublayer_cache)


def _norm_inside_backward(dy, cache, sublayer_backward, pre_norm):
    dh, dgain, dbias = norm_backward(dy, cache[0])
    return dy + sublayer_backward(dh, cache[1]), dgain, dbias


def _skip_from_norm(x, sublayer, gain, bias, pre_norm):
    z, norm_cache = norm_forward(x, gain, bias)
    h, sublayer_cache = sublayer(z)
    return z + h, (norm_cache, sublayer_cache)


POST = [
    ("the skip path is dropped: dx holds the branch alone", _post(skip=0)),
    ("the skip path is counted twice", _post(skip=2)),
    ("the branch is left out of dx", _post(branch=0)),
    ("the gradient is split in half at the sum; both terms get all of it",
     _post(skip=0.5, branch=0.5)),
    ("the skip path passes the norm by: in post-norm the norm is on both paths",
     _post(bare=True)),
    ("the branch passes the norm by: in post-norm the norm is on both paths",
     _post(unnormed=True)),
    ("both paths pass the norm by", _post(bare=True, unnormed=True)),
    ("post-norm is walked back as if it were pre-norm", _wrong("post_norm", _as_the_other)),
    ("the norm is walked back last; it was the last step of the forward, so it comes first",
     _wrong("post_norm", _norm_of_sum)),
    ("the norm is on the branch, after the sub-layer; in post-norm it is applied to the sum",
     _wrong("post_norm", _norm_inside_backward, _norm_inside)),
]  # fmt: skip
PRE = [
    ("the skip path is dropped: dx holds the branch alone", _pre(skip=0)),
    ("the skip path is counted twice", _pre(skip=2)),
    ("the branch is left out of dx", _pre(branch=0)),
    ("the gradient is split in half at the sum; both terms get all of it",
     _pre(skip=0.5, branch=0.5)),
    ("the skip path takes norm(x); in pre-norm it takes x itself",
     _wrong("pre_norm", _norm_of_sum, _skip_from_norm)),
    ("the skip path goes through the norm: in pre-norm the norm is on the branch alone",
     _pre(normed=True)),
    ("both paths go through the norm: in pre-norm it is on the branch alone",
     _wrong("pre_norm", _norm_of_sum)),
    ("the branch passes the norm by", _pre(unnormed=True)),
    ("pre-norm is walked back as if it were post-norm", _wrong("pre_norm", _as_the_other)),
]  # fmt: skip


def grade(submission, cases, seed):
    def backward(dy, cache, sublayer_backward, pre_norm):
        found = submission.residual_backward(dy, cache, sublayer_backward, pre_norm)
        return gradients(found, ["dx", "dgain", "dbias"], "residual_backward").values()

    asked = _around_f(submission.residual_forward, backward)
    asked.__file__ = getattr(submission, "__file__", None)

    def question(stem, mistakes):
        return lambda: against_solution(
            asked, stem, "pair", SOLUTION, "btd, dd, d, d",
            cases=cases // 2, seed=seed, mistakes=mistakes,
        )  # fmt: skip

    return first_failure(question("post_norm", POST), question("pre_norm", PRE))
