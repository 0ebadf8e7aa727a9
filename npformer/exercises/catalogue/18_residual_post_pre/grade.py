"""Both frames, one after the other, each beside the solution's."""

from pathlib import Path

from npformer.exercises.grading import against_solution, first_failure
from npformer.exercises.load import load_python

SOLUTION = load_python(Path(__file__).parent / "solution.py")
norm_backward, sublayer_backward = SOLUTION.norm_backward, SOLUTION.sublayer_backward


def _post(skip=1.0, branch=1.0, bare=False, unnormed=False):
    """Post-norm with each path's share changed, or with one of them past the norm."""

    def backward(dy, cache):
        dsum, dgain, dbias = norm_backward(dy, cache[1])
        dh, dweight = sublayer_backward(dy if unnormed else dsum, cache[0])
        return skip * (dy if bare else dsum) + branch * dh, dweight, dgain, dbias

    return {"post_norm_backward": backward}


def _pre(skip=1.0, branch=1.0, normed=False, unnormed=False):
    def backward(dy, cache):
        dz, dweight = sublayer_backward(dy, cache[0])
        dh, dgain, dbias = norm_backward(dz, cache[1])
        path = norm_backward(dy, cache[1])[0] if normed else dy
        return skip * path + branch * (dz if unnormed else dh), dweight, dgain, dbias

    return {"pre_norm_backward": backward}


def _as_pre(dy, cache):
    dz, dweight = sublayer_backward(dy, cache[0])
    dh, dgain, dbias = norm_backward(dz, cache[1])
    return dy + dh, dweight, dgain, dbias


def _as_post(dy, cache):
    dsum, dgain, dbias = norm_backward(dy, cache[1])
    dh, dweight = sublayer_backward(dsum, cache[0])
    return dsum + dh, dweight, dgain, dbias


def _norm_of_sum(dy, cache):
    dz, dweight = sublayer_backward(dy, cache[0])
    dx, dgain, dbias = norm_backward(dy + dz, cache[1])
    return dx, dweight, dgain, dbias


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
    ("post-norm is walked back as if it were pre-norm", {"post_norm_backward": _as_pre}),
    ("the norm is walked back last; it was the last step of the forward, so it comes first",
     {"post_norm_backward": _norm_of_sum}),
]  # fmt: skip
PRE = [
    ("the skip path is dropped: dx holds the branch alone", _pre(skip=0)),
    ("the skip path is counted twice", _pre(skip=2)),
    ("the branch is left out of dx", _pre(branch=0)),
    ("the gradient is split in half at the sum; both terms get all of it",
     _pre(skip=0.5, branch=0.5)),
    ("the skip path goes through the norm: in pre-norm the norm is on the branch alone",
     _pre(normed=True)),
    ("both paths go through the norm: in pre-norm it is on the branch alone",
     {"pre_norm_backward": _norm_of_sum}),
    ("the branch passes the norm by", _pre(unnormed=True)),
    ("pre-norm is walked back as if it were post-norm", {"pre_norm_backward": _as_post}),
]  # fmt: skip


def grade(submission, cases, seed):
    def question(stem, mistakes):
        return lambda: against_solution(
            submission, stem, "backward", SOLUTION, "btd, dd, d, d",
            cases=cases // 2, seed=seed, mistakes=mistakes,
        )  # fmt: skip

    return first_failure(question("post_norm", POST), question("pre_norm", PRE))
