"""The smallest failing case."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from npformer.verify import check, check_component, component
from npformer.verify.answer.shrink import smallest_failure
from npformer.verify.tally import Tally
from tests.verify.functions import LATE, WrongSwish


def failing(backward, name="relu", cases=60) -> tuple[object, Tally]:
    wrong = component(name).implemented_by(backward=backward)
    return wrong, check_component(wrong, cases)


def doubled(dy, cache):
    return 2 * np.where(cache.y > 0, dy, 0)


def test_a_mistake_that_is_everywhere_shrinks_to_one_number():
    wrong, tally = failing(doubled)
    case = smallest_failure(wrong, tally.failure, tally.choices).case
    assert case.inputs["x"].tolist() == [1.0]
    assert abs(case.dy.tolist()[0]) == 1.0


def test_a_mistake_that_needs_two_rows_keeps_two():
    def last_row(dy, cache):
        dx, dweight, dbias = component("linear").pair[1](dy, cache)
        return dx, dweight, dy[-1] if dy.ndim == 2 and len(dy) else dbias

    wrong, tally = failing(last_row, "linear")
    case = smallest_failure(wrong, tally.failure, tally.choices).case
    assert case.inputs["x"].shape[0] == 2
    assert case.dy.size == 2


def test_a_mistake_that_needs_a_far_magnitude_is_shrunk_from_the_case_that_was_found():
    """Integers near 0 do not show it, so the search among easy cases must come back empty."""

    def far(dy, cache):
        return np.where(np.abs(dy) > 1e9, 0 * dy, np.where(cache.y > 0, dy, 0))

    wrong, tally = failing(far, cases=300)
    assert tally.failed_cases < 100
    found = smallest_failure(wrong, tally.failure, tally.choices)
    assert np.abs(found.case.dy).max() > 1e9
    assert found.case.size <= tally.failure.case.size


def test_a_mistake_that_needs_a_layout_keeps_it():
    def careless(x):
        return torch.tanh(x.view(-1)).view(x.shape)

    case = check(careless, "bt", against=torch.tanh, cases=60).failure.case
    assert not case.inputs["x"].flags.c_contiguous
    assert case.inputs["x"].size <= 6


@pytest.mark.parametrize("given", [{"against": "layer_norm"}, {"inputs": "btd, d, d"}])
def test_a_row_without_variance_is_not_the_answer(given):
    """There the gradient would be 158, which is 1/sqrt(eps)/2 and says nothing."""
    failure = check(LATE, cases=60, **given).failure
    assert np.ptp(failure.case.inputs["x"]) > 0
    assert 0.01 < abs(failure.expected) < 100


def test_the_smallest_case_fails_in_the_same_way():
    result = check(LATE, against="layer_norm", cases=60)
    assert (result.failure.result, result.failure.oracle) == ("dx", "PyTorch")


@pytest.mark.parametrize("seed", [0, 9])
def test_shrinking_is_repeatable(seed):
    first, second = (check(WrongSwish, "btd", cases=30, seed=seed).failure for _ in range(2))
    np.testing.assert_array_equal(first.case.inputs["x"], second.case.inputs["x"])
    np.testing.assert_array_equal(first.case.dy, second.case.dy)


def test_shrinking_can_be_left_out():
    result = check(LATE, against="layer_norm", cases=60, shrink=False)
    assert result.failure.case.inputs["x"].size > 1
    assert result.failure.reproduce


def test_a_module_of_the_registry_is_shrunk_too():
    wrong = next(mutants("LayerNorm"))
    result = check(wrong, cases=20)
    assert result.failure.case.size < 40


def mutants(name):
    from npformer.verify.mutants import MUTANTS

    for mutant in MUTANTS.values():
        if mutant.component == name:
            yield mutant.plant(component(name))
