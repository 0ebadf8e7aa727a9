"""What two implementations hand on, beside each other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from npformer.verify.lockstep.compare import compare


class Kept(NamedTuple):
    k: np.ndarray
    length: int


GENERATOR = np.random.default_rng(0)
ARRAY = np.arange(3)


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (None, None),
        (True, np.bool_(True)),
        (2, np.int64(2)),
        (0.5, np.float32(0.5)),
        ("mean", "mean"),
        (GENERATOR, np.random.default_rng(1)),
        (Kept(ARRAY, 3), Kept(ARRAY.copy(), 3)),
        ([ARRAY, 1], [ARRAY, 1]),
        ({"k": ARRAY}, {"k": ARRAY}),
        (ARRAY, 0),  # positions, and where they begin
    ],
)
def test_the_same(expected, found):
    assert compare(expected, found, np.abs, np.dtype(float)) is None


@pytest.mark.parametrize(
    ("expected", "found", "said"),
    [
        (None, ARRAY, "is an array of shape (3,), it must be None"),
        (ARRAY, None, "is None, it must be an array of shape (3,)"),
        (ARRAY, "mean", "is 'mean', it must be an array of shape (3,)"),
        ([1], np.array(1), "is an array of 1, it must be [1]"),
        (0.1, "0.1", "is '0.1', it must be 0.1"),
        (True, None, "is None, it must be True"),
        (GENERATOR, None, "is None, it must be a random generator"),
        (1, 2, "is 2, it must be 1"),
        ((1, 2), [1, 2], "is [1, 2], it must be (1, 2)"),
        ([1, 2], [1], "is [1], it must be [1, 2]"),
        ({"a": 1}, {"b": 1}, "is {'b': 1}, it must be {'a': 1}"),
    ],
)
def test_what_differs_is_said(expected, found, said):
    assert compare(expected, found, np.abs, np.dtype(float)) == said


def test_arrays_in_a_tuple_are_compared():
    other = Kept(ARRAY + 1, 3)
    assert "it must be Kept(" in compare(Kept(ARRAY, 3), other, np.abs, np.dtype(float))
