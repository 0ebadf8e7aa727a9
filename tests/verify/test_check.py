"""The checker's verdicts."""

from __future__ import annotations

import numpy as np
import pytest

from npformer import verify
from npformer.verify.check import check
from npformer.verify.components.registry import component


def relu(backward):
    return component("relu").implemented_by(backward=backward)


def test_a_right_op_passes_and_says_how_exact_it_was():
    result = check(component("layer_norm"), cases=30)
    assert result.passed and result
    assert result.cases == 30
    assert [(t.dtype, t.cases) for t in result.tallies] == [("float64", 15), ("float32", 15)]
    assert 0 < result.forward_error <= 8
    assert 0 < result.gradient_error <= 8
    assert result.directional_cases > 3


def test_the_same_seed_gives_the_same_result():
    first, second = (check(component("softmax"), cases=20, seed=3) for _ in range(2))
    assert first == second


def test_another_seed_gives_other_cases():
    first, second = (check(component("softmax"), cases=20, seed=s) for s in (3, 4))
    assert first.gradient_error != second.gradient_error


@pytest.mark.parametrize(
    ("backward", "message"),
    [
        (lambda dy, cache: np.where(cache.y > 0, dy, 0).astype(np.float16), "its dtype is float16"),
        (lambda dy, cache: np.where(cache.y > 0, dy, 0)[None], "its shape is"),
        (lambda dy, cache: None, "there is no such result"),
        (lambda dy, cache: dy @ dy @ dy @ np.ones(99), "ValueError"),
    ],
)
def test_a_broken_contract_is_said_in_words(backward, message):
    result = check(relu(backward), cases=20)
    assert result.failure.oracle == "contract"
    assert message in str(result.failure)


def test_the_failure_shown_is_of_the_smallest_failing_case():
    result = check(relu(lambda dy, cache: 2 * np.where(cache.y > 0, dy, 0)), cases=60)
    assert result.failed_cases > 10
    assert result.failure.case.size <= 8


def test_the_failure_names_result_index_expected_and_got():
    result = check(relu(lambda dy, cache: 2 * np.where(cache.y > 0, dy, 0)), cases=20)
    failure = result.failure
    assert failure.result == "dx"
    for word in ("dx[", "expected", "rounding units", "PyTorch by"):
        assert word in failure.message


def test_nan_is_not_taken_for_right():
    assert not check(relu(lambda dy, cache: dy * np.nan), cases=5).passed


def test_stopping_at_the_first_failure_stops():
    wrong = relu(lambda dy, cache: 2 * np.where(cache.y > 0, dy, 0))
    assert check(wrong, cases=50, stop_at_failure=True).cases < 10


@pytest.mark.parametrize("name", ["linear", "rms_norm"])
def test_the_gradient_of_an_optional_array_is_none_where_there_is_none(name):
    """And it is looked at where there is one, whichever of the two the first case has."""
    pair = component(name).pair
    assert verify.check(pair, against=name, cases=20)
    wrong = verify.check((pair[0], lambda dy, cache: _last_doubled(pair[1](dy, cache))),
                         against=name, cases=20)  # fmt: skip
    assert not wrong and "rounding units" in str(wrong)


def _last_doubled(gradients):
    return tuple(None if g is None else (1 + (i > 0)) * g for i, g in enumerate(gradients))
