"""The learner's three functions in loops of the grader's own, which show them one tile a time."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from npformer.exercises.faults import Complaint, a_kind
from npformer.exercises.grade import answer
from npformer.exercises.grading import against_solution, first_failure
from npformer.exercises.load import load_python
from npformer.exercises.question import PairQuestion
from npformer.exercises.questions import SolutionBase

SOLUTION = load_python(Path(__file__).parent / "solution.py")
TILES = {"tile": [2, 1, 3, 10]}


def grade(submission, cases, seed):
    """The forward on ordinary scores, then on large ones, then the backward."""
    file = getattr(submission, "__file__", None)
    asked = SimpleNamespace(**_loops(submission), __file__=file)
    question = (asked, "tiled_attention")
    drawn = (SOLUTION, "th, sh, sg")
    options = {"cases": cases, "seed": seed, "static": TILES}
    return first_failure(
        lambda: against_solution(*question, "forward", *drawn, mistakes=FORWARD, **options),
        lambda: answer(_large(asked), asked, cases, seed, LARGE),
        lambda: against_solution(*question, "pair", *drawn, mistakes=BACKWARD, **options),
    )


@dataclasses.dataclass(frozen=True)
class _Large(SolutionBase):
    """Queries a thousand times as large, and so the scores."""

    def draw(self, source, dtype):
        case = super().draw(source, dtype)
        return case.with_inputs({"q": 1000 * case.inputs["q"]})


def _large(asked):
    right = {"forward": SOLUTION.tiled_attention_forward}
    base = _Large("tiled_attention", "th, sh, sg", right, TILES)
    own = {"forward": asked.tiled_attention_forward}
    names = {"stem": "tiled_attention", "asked": ("forward",), "functions": own}
    return PairQuestion("tiled_attention", base, largest=20_000.0, **names)


def _loops(functions):
    """The two loops of start.py around the functions of a submission."""
    empty = getattr(functions, "empty", SOLUTION.empty)

    def tiled_attention_forward(q, k, v, tile):
        scale = 1 / np.sqrt(q.shape[1])
        state = empty(len(q), v.shape[1])
        for first in range(0, len(k), tile):
            keys, values = k[first : first + tile].copy(), v[first : first + tile].copy()
            state = functions.absorb(state, q, keys, values, scale)
        y, log_z = _several(functions.finish(state), "finish", ("y", "log_z"))
        _shaped(log_z, (len(q),), "log_z, from finish,")
        return y, (q, k, v, tile, y, log_z, scale)

    def tiled_attention_backward(dy, cache):
        q, k, v, tile, y, log_z, scale = cache
        dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
        for first in range(0, len(k), tile):
            keys = slice(first, first + tile)
            found = functions.tile_backward(dy, q, k[keys], v[keys], y, log_z, scale)
            found = _several(found, "tile_backward", ("dq", "dk", "dv"))
            for name, one, like in zip(
                ("dq", "dk", "dv"), found, (q, k[keys], v[keys]), strict=True
            ):
                _shaped(one, like.shape, f"{name}, from tile_backward,")
            dq += found[0]
            dk[keys], dv[keys] = found[1:]
        return dq, dk, dv

    return {
        "tiled_attention_forward": tiled_attention_forward,
        "tiled_attention_backward": tiled_attention_backward,
    }


def _several(found, function, names):
    if not isinstance(found, (tuple, list)) or len(found) != len(names):
        said = f"{function} returns {a_kind(found)}; it must return {', '.join(names)}"
        raise Complaint("type", said)
    return found


def _shaped(array, shape, name):
    if np.shape(array) != shape:
        raise Complaint("shape", f"{name} has the shape {np.shape(array)}; it must be {shape}")


def _wrong(**functions):
    """Both loops around the solution's functions, some of them replaced."""
    names = ("empty", "absorb", "finish", "tile_backward")
    right = {name: getattr(SOLUTION, name) for name in names}
    return _loops(SimpleNamespace(**{**right, **functions}))


def _absorb(of_z=np.exp, of_u=np.exp, scaled=True):
    """absorb with other factors for what was summed so far, by m - m_new."""

    def absorb(state, q, k, v, scale):
        m, z, u = state
        scores = (scale if scaled else 1) * (q @ k.T)
        m_new = np.maximum(m, scores.max(axis=1))
        e = np.exp(scores - m_new[:, None])
        older = np.where(np.isfinite(m), m, m_new) - m_new
        z = of_z(older) * z + e.sum(axis=1)
        return m_new, z, of_u(older)[:, None] * u + e @ v

    return absorb


def _own_softmax(state, q, k, v, scale):
    count, z, u = state
    scores = scale * (q @ k.T)
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.where(np.isfinite(count), count, 0) + 1, z + 1, u + e / e.sum(1, keepdims=True) @ v


def _no_maximum(state, q, k, v, scale):
    _, z, u = state
    e = np.exp(scale * (q @ k.T))
    return np.zeros(len(q)), z + e.sum(axis=1), u + e @ v


def _sum_of_softmaxes(state):
    return state[2], np.zeros(len(state[0]))


def _tile_backward(mean="whole", scale_q=True, scale_k=True, own=False):
    def tile_backward(dy, q, k, v, y, log_z, scale):
        scores = scale * (q @ k.T)
        p = np.exp(scores - log_z[:, None])
        if own:
            p = p / p.sum(axis=1, keepdims=True)
        dp = dy @ v.T
        if mean == "whole":
            dscores = p * (dp - (dy * y).sum(axis=1, keepdims=True))
        elif mean == "tile":
            dscores = p * (dp - (p * dp).sum(axis=1, keepdims=True))
        else:
            dscores = p * dp
        return (
            (scale if scale_q else 1) * dscores @ k,
            (scale if scale_k else 1) * dscores.T @ q,
            p.T @ dy,
        )

    return tile_backward


FORWARD = [
    ("what was summed so far is not brought from the old maximum to the new one",
     _wrong(absorb=_absorb(np.ones_like, np.ones_like))),
    ("z is brought to the new maximum and u is not", _wrong(absorb=_absorb(of_u=np.ones_like))),
    ("u is brought to the new maximum and z is not", _wrong(absorb=_absorb(of_z=np.ones_like))),
    ("the factor is exp(m_new - m); it is its reciprocal, exp(m - m_new)",
     _wrong(absorb=_absorb(lambda d: np.exp(-d), lambda d: np.exp(-d)))),
    ("what earlier tiles have left is thrown away: only the last tile counts",
     _wrong(absorb=_absorb(np.zeros_like, np.zeros_like))),
    ("each tile gets a softmax of its own, and the answers are added",
     _wrong(absorb=_own_softmax, finish=_sum_of_softmaxes)),
    ("each tile gets a softmax of its own, and the answers are averaged",
     _wrong(absorb=_own_softmax)),
    ("u is not divided by z at the end",
     _wrong(finish=lambda state: (state[2], state[0] + np.log(state[1])))),
    ("the scores are not multiplied by scale", _wrong(absorb=_absorb(scaled=False))),
]  # fmt: skip

LARGE = [
    ("no maximum is subtracted, and exp of a large score is infinite",
     _wrong(absorb=_no_maximum)),
]  # fmt: skip

BACKWARD = [
    ("log_z lacks the maximum: z was measured from m, so that m must be added to its logarithm",
     _wrong(finish=lambda state: (SOLUTION.finish(state)[0], np.log(state[1])))),
    ("log_z is z, without the logarithm and the maximum",
     _wrong(finish=lambda state: (SOLUTION.finish(state)[0], state[1]))),
    ("log_z is the row's maximum alone",
     _wrong(finish=lambda state: (SOLUTION.finish(state)[0], state[0]))),
    ("the sum of p dp runs over the tile's keys alone; it belongs to the whole row",
     _wrong(tile_backward=_tile_backward("tile"))),
    ("the sum of p dp is left out of the softmax's backward",
     _wrong(tile_backward=_tile_backward("none"))),
    ("the probabilities are made to sum to 1 within each tile",
     _wrong(tile_backward=_tile_backward(own=True))),
    ("the probabilities are made to sum to 1 within each tile",
     _wrong(tile_backward=_tile_backward("tile", own=True))),
    ("the scale is missing from dq", _wrong(tile_backward=_tile_backward(scale_q=False))),
    ("the scale is missing from dk", _wrong(tile_backward=_tile_backward(scale_k=False))),
    ("the scale is missing from dq and from dk",
     _wrong(tile_backward=_tile_backward(scale_q=False, scale_k=False))),
]  # fmt: skip
