"""Two functions, one question each."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from npformer.cards.strategies import draw_rng
from npformer.exercises.faults import Complaint, a_kind
from npformer.exercises.grading import against_function, first_failure
from npformer.exercises.load import load_python

SOLUTION = load_python(Path(__file__).parent / "solution.py")


def grade(submission, cases, seed):
    """The schedule, then clipping."""
    file = getattr(submission, "__file__", None)
    asked = SimpleNamespace(noam=submission.noam, clip=_named(submission.clip), __file__=file)
    options = {"cases": cases, "seed": seed}
    rates = [(said, {"noam": wrong}) for said, wrong in SCHEDULES]
    clips = [(said, {"clip": _named(wrong)}) for said, wrong in CLIPS]
    right = _named(SOLUTION.clip)
    return first_failure(
        lambda: against_function(asked, "noam", SOLUTION.noam, _updates, mistakes=rates, **options),
        lambda: against_function(asked, "clip", right, _gradients, mistakes=clips, **options),
    )


def _named(function):
    """clip with its two results by name."""

    def clip(dweight, dbias, max_norm):
        """Raises ``Complaint`` if the function does not return two results."""
        found = function(dweight, dbias, max_norm)
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            raise Complaint("type", f"clip returns {a_kind(found)}; it must return dweight, dbias")
        return {"dweight": found[0], "dbias": found[1]}

    return clip


def _updates(source):
    return {
        "update": source.choice((1, 2, 4, 9, 100, 400, 4000, 20_000)),
        "d_model": source.choice((1, 4, 16, 512)),
        "warmup": source.choice((1, 4, 100, 4000)),
    }


def _gradients(source):
    rng = draw_rng(source)
    outputs, inputs = source.integer(1, 3), source.integer(1, 4)
    size = source.choice((1.0, 0.0, 0.1, 10.0))
    return {
        "dweight": size * rng.standard_normal((outputs, inputs)),
        "dbias": size * rng.standard_normal(outputs),
        "max_norm": source.choice((1.0, 0.5, 5.0)),
    }


def _norm(*arrays):
    return np.sqrt(sum((a**2).sum() for a in arrays))


def _factor(max_norm, norm):
    return max_norm / norm if norm > max_norm else 1.0


def _each_on_its_own(dweight, dbias, max_norm):
    return tuple(_factor(max_norm, _norm(a)) * a for a in (dweight, dbias))


def _each_entry(dweight, dbias, max_norm):
    return np.clip(dweight, -max_norm, max_norm), np.clip(dbias, -max_norm, max_norm)


def _by(factor):
    """clip with factor(max_norm, norm)."""

    def clip(dweight, dbias, max_norm):
        by = factor(max_norm, _norm(dweight, dbias))
        return by * dweight, by * dbias

    return clip


def _sum_of_norms(dweight, dbias, max_norm):
    by = _factor(max_norm, _norm(dweight) + _norm(dbias))
    return by * dweight, by * dbias


def _weight_only(dweight, dbias, max_norm):
    by = _factor(max_norm, _norm(dweight, dbias))
    return by * dweight, dbias


def _norm_of_weight(dweight, dbias, max_norm):
    by = _factor(max_norm, _norm(dweight))
    return by * dweight, by * dbias


def _largest_entry(dweight, dbias, max_norm):
    by = _factor(max_norm, max(np.abs(dweight).max(), np.abs(dbias).max()))
    return by * dweight, by * dbias


SCHEDULES = [
    ("the larger of the two pieces is taken; it is the smaller",
     lambda update, d_model, warmup: d_model**-0.5 * max(update**-0.5, update * warmup**-1.5)),
    ("the width multiplies by its root; it divides by it",
     lambda update, d_model, warmup: d_model**0.5 * min(update**-0.5, update * warmup**-1.5)),
    ("the width is left out",
     lambda update, d_model, warmup: min(update**-0.5, update * warmup**-1.5)),
    ("the width divides without its root",
     lambda update, d_model, warmup: min(update**-0.5, update * warmup**-1.5) / d_model),
    ("the line rises to 1, not to 1/sqrt(warmup): its slope is warmup^-1.5, not warmup^-1",
     lambda update, d_model, warmup: d_model**-0.5 * min(update**-0.5, update / warmup)),
    ("the line's slope is warmup^-0.5; it is warmup^-1.5",
     lambda update, d_model, warmup: d_model**-0.5 * min(update**-0.5, update * warmup**-0.5)),
    ("updates are counted from 0; here they count from 1",
     lambda update, d_model, warmup: SOLUTION.noam(update + 1, d_model, warmup)),
    ("the rate after the warm-up falls as 1/t; it falls as 1/sqrt(t)",
     lambda update, d_model, warmup: d_model**-0.5 * min(1 / update, update * warmup**-1.5)),
    ("the rate stays at its peak after the warm-up",
     lambda update, d_model, warmup: (d_model * warmup) ** -0.5 * min(1, update / warmup)),
    ("after the warm-up the rate falls from 1/sqrt(d_model) anew, counted from its end",
     lambda update, d_model, warmup: d_model**-0.5
     * (update * warmup**-1.5 if update <= warmup else (update - warmup) ** -0.5)),
]  # fmt: skip

CLIPS = [
    ("each array is clipped by its own norm; there is one norm of both", _each_on_its_own),
    ("each entry is clipped on its own, which changes the gradient's direction", _each_entry),
    ("the gradient is scaled to max_norm even where it is shorter",
     _by(lambda max_norm, norm: max_norm / norm if norm else 1.0)),
    ("the gradient is scaled to max_norm even where it is shorter",
     _by(lambda max_norm, norm: max_norm / norm)),
    ("the gradient is scaled where it is shorter than max_norm, and left where it is longer",
     _by(lambda max_norm, norm: max_norm / norm if norm < max_norm else 1.0)),
    ("the norm's square is used: the root is missing",
     _by(lambda max_norm, norm: _factor(max_norm, norm**2))),
    ("the factor is upside down: norm / max_norm",
     _by(lambda max_norm, norm: norm / max_norm if norm > max_norm else 1.0)),
    ("the gradient is divided by its norm and not brought to max_norm",
     _by(lambda max_norm, norm: 1 / norm if norm > max_norm else 1.0)),
    ("the two norms are added; the norm of both is the root of the sum of all squares",
     _sum_of_norms),
    ("only dweight is scaled", _weight_only),
    ("the norm is of dweight alone", _norm_of_weight),
    ("the largest entry is taken for the norm", _largest_entry),
    ("the norm is enlarged by 1e-6 before the division; nothing needs that here",
     _by(lambda max_norm, norm: min(1.0, max_norm / (norm + 1e-6)))),
]  # fmt: skip
