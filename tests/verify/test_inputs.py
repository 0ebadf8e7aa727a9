"""What goes into a function."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from npformer.cards.strategies import FirstSource, GeneratorSource
from npformer.errors import VerifyError
from npformer.verify.inputs import as_inputs

F64 = np.dtype(np.float64)


def drawn(given, seed=0, dtype=F64):
    return as_inputs(given).draw(GeneratorSource(np.random.default_rng(seed)), dtype)


def test_a_letter_has_one_size_and_a_number_is_one():
    for seed in range(30):
        x, w, s = drawn("btd, d16, .", seed)
        assert x.shape[2] == w.shape[0] >= 1
        assert w.shape[1] == 16
        assert s.shape == ()


def test_no_axis_of_a_spec_is_empty():
    assert all(min(a.shape) > 0 for seed in range(200) for a in drawn("bt, td", seed))


def test_an_output_may_be_written_and_is_left_out():
    assert len(drawn("bt, td -> bd")) == 2


def test_values_stay_where_most_functions_are_defined():
    largest = max(np.abs(a).max() for seed in range(300) for a in drawn("bt", seed))
    assert 1e2 < largest < 1e4


def test_the_first_case_is_plain():
    (x,) = as_inputs("btd").draw(FirstSource(), F64)
    assert x.shape == (2, 3, 4)
    assert x.flags.c_contiguous and 0.1 < np.abs(x).max() < 10


def test_arrays_tensors_and_dictionaries_are_given():
    x, ids = np.ones((2, 3), np.float32), torch.tensor([1, 2])
    for given in ([x, ids], (x, ids), {"x": x, "ids": ids}):
        first, second = drawn(given)
        assert (first.dtype, second.dtype) == (np.float64, np.int64)
    assert drawn(x)[0].shape == (2, 3)


@pytest.mark.parametrize("spec", ["", "b t", "bt,", "b0", "b-d", "é"])
def test_a_spec_that_says_nothing_is_refused(spec):
    with pytest.raises(VerifyError, match="letter spec"):
        as_inputs(spec)


@pytest.mark.parametrize("given", [7, [], {}, [np.ones(2), "bt"]])
def test_what_is_no_input_is_refused(given):
    with pytest.raises(VerifyError, match="inputs"):
        as_inputs(given)


def test_complex_numbers_are_refused():
    with pytest.raises(VerifyError, match="complex128; it must be real"):
        drawn([np.ones(2, complex)])
