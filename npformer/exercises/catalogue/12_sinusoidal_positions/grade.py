"""The table beside the package's own, in float64."""

import numpy as np

from npformer.exercises.grading import against_function
from npformer.ops import sinusoidal_positions


def grade(submission, cases, seed):
    """Even and odd widths; the smallest have one column or one row."""
    return against_function(
        submission,
        "sinusoidal_positions",
        _right,
        _arguments,
        cases=cases,
        seed=seed,
        mistakes=MISTAKES,
    )


def _arguments(source):
    return {"length": source.integer(1, 12), "d_model": source.integer(1, 16)}


def _right(length, d_model):
    return sinusoidal_positions(length, d_model, dtype=np.float64)


def _table(angle, *, start=0, sine=np.sin, cosine=np.cos, even=True):
    """A wrong table; angle(t, i, D) for pair i."""

    def positions(length, d_model):
        table = np.zeros((length, d_model))
        for column in range(d_model if even else 2 * (d_model // 2)):
            function = cosine if column % 2 else sine
            table[:, column] = function(angle(np.arange(start, start + length), column, d_model))
        return table

    return {"sinusoidal_positions": positions}


def _angle(t, column, d):
    return t / 10000.0 ** (2 * (column // 2) / d)


def _halves(length, d_model):
    pairs = (d_model + 1) // 2
    angles = np.arange(length)[:, None] / 10000.0 ** (2 * np.arange(pairs) / d_model)
    return np.concatenate([np.sin(angles), np.cos(angles[:, : d_model // 2])], axis=1)


def _float32(length, d_model):
    return sinusoidal_positions(length, d_model)


MISTAKES = [
    ("the sines fill the left half of the columns and the cosines the right one; they alternate",
     {"sinusoidal_positions": _halves}),
    ("the cosine of a pair has a frequency of its own: the exponent must be that of its sine",
     _table(lambda t, c, d: t / 10000.0 ** (c / d))),
    ("the exponent is i / D, where 2i / D belongs",
     _table(lambda t, c, d: t / 10000.0 ** (c // 2 / d))),
    ("the exponent is 2 (2i) / D: the even column's number is doubled once too often",
     _table(lambda t, c, d: t / 10000.0 ** (4 * (c // 2) / d))),
    ("the exponent is 2 (2i) / D in the sines and 2 (2i + 1) / D in the cosines: the column's "
     "number is doubled", _table(lambda t, c, d: t / 10000.0 ** (2 * c / d))),
    ("the exponent is i over the number of pairs: that is 2i / D for an even d_model only",
     _table(lambda t, c, d: t / 10000.0 ** (c // 2 / ((d + 1) // 2)))),
    ("the exponent is i / (D // 2): that is 2i / D for an even d_model only",
     _table(lambda t, c, d: t / 10000.0 ** (c // 2 / max(d // 2, 1)))),
    ("the exponent is 2i / (D - 2), where 2i / D belongs",
     _table(lambda t, c, d: t / 10000.0 ** (2 * (c // 2) / max(d - 2, 1)))),
    ("the first pair is counted as i = 1, not 0",
     _table(lambda t, c, d: t / 10000.0 ** (2 * (c // 2 + 1) / d))),
    ("the angle is multiplied by 2 pi", _table(lambda t, c, d: 2 * np.pi * _angle(t, c, d))),
    ("the first position is counted as 1, not 0", _table(_angle, start=1)),
    ("sine and cosine are exchanged", _table(_angle, sine=np.cos, cosine=np.sin)),
    ("every column is a sine", _table(_angle, cosine=np.sin)),
    ("the angle is multiplied by 10000^(2i / D) instead of divided",
     _table(lambda t, c, d: t * 10000.0 ** (2 * (c // 2) / d))),
    ("the frequencies are 1000^(-2i / D), where 10000^(-2i / D) belongs",
     _table(lambda t, c, d: t / 1000.0 ** (2 * (c // 2) / d))),
    ("with an odd d_model the last column is left at 0; it must be a sine",
     _table(_angle, even=False)),
    ("the angles are turned from degrees to radians; they are in radians already",
     _table(lambda t, c, d: np.deg2rad(_angle(t, c, d)))),
    ("the table is computed in float32", {"sinusoidal_positions": _float32}),
]  # fmt: skip
