"""No verdict without evidence, and none against a function that is right or has not answered."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import strategies as st

from npformer import ops
from npformer.errors import VerifyError
from npformer.verify import WithVJP, check

SQUARE = WithVJP(lambda x: x * x, lambda dy, x: 2 * dy * x)
TENFOLD = WithVJP(lambda x: x * x, lambda dy, x: 20 * dy * x)


def trap(x):
    """x^2, whose gradient is NaN: the branch that is not taken has none."""
    return torch.where(x == x, x * x, torch.sqrt(-1 - x * x))


def test_a_reference_without_a_gradient_to_show_is_no_agreement():
    result = check(SQUARE, "bt", against=trap, cases=20)
    assert result
    assert result.compared["y"] > 0 == result.compared["dx"]
    assert result.directional_cases > 5
    assert not check(TENFOLD, "bt", against=trap, cases=20, shrink=False)
    assert not check(TENFOLD, "bt", against=trap, cases=20, shrink=False, dtypes="float32")


def test_one_gradient_of_two_may_be_all_that_a_reference_does_not_know():
    right = WithVJP(lambda x, w: x * w, lambda dy, x, w: (dy * w, dy * x))
    wrong = WithVJP(lambda x, w: x * w, lambda dy, x, w: (dy * w, 3 * dy * x))
    reference = lambda x, w: torch.where(w == w, x * w, torch.sqrt(-1 - w * w))  # noqa: E731
    assert check(right, "bt, bt", against=reference, cases=20).compared["dw"] == 0
    assert not check(wrong, "bt, bt", against=reference, cases=20, shrink=False)


def test_where_the_reference_is_nan_the_number_expected_is_by_differences():
    result = check(TENFOLD, "bt", against=trap, cases=8, shrink=False)
    assert np.isfinite(result.failure.expected)


def test_what_nobody_compared_is_named():
    with pytest.raises(VerifyError, match="no verdict: y of .* could not be compared in any of"):
        check(SQUARE, "bt", against=lambda x: x * float("nan"), cases=10)


def test_where_the_reference_is_silent_on_one_gradient_that_one_is_shown():
    product = WithVJP(lambda x, w: x * w, lambda dy, x, w: (dy * w, 5 * dy * x))
    silent = lambda x, w: x * torch.where(w == w, w, torch.sqrt(-w * w - 1))  # noqa: E731
    result = check(product, "bt, bt", against=silent, cases=8, shrink=False)
    assert result.failure.result == "dw"


def test_nan_beside_a_number_is_wrong():
    holes = WithVJP(lambda x: x * x, lambda dy, x: np.where(x > 0, 2 * dy * x, np.nan))
    result = check(holes, "bt", against=lambda x: x * x, cases=20, shrink=False)
    assert result.failure.result == "dx"


def test_an_output_that_is_drawn_anew_gives_no_verdict():
    rng = np.random.default_rng(0)
    moving = WithVJP(lambda x: x + rng.random(x.shape), lambda dy, x: dy)
    for against in (None, lambda x: x):
        with pytest.raises(VerifyError, match="is random: its output differs by .* two calls"):
            check(moving, "bt", against=against, cases=5)


@pytest.mark.parametrize("factor", [1, 2, 10])
@pytest.mark.parametrize("dtypes", ["float32", ("float64", "float32")])
def test_scatter_of_its_own_excuses_nothing(factor, dtypes):
    rng = np.random.default_rng(0)

    def noisy(dy, x):
        return (factor * dy * (1 + 0.01 * rng.standard_normal(dy.shape))).astype(dy.dtype)

    result = check(WithVJP(lambda x: 1 * x, noisy), "bt", against=lambda x: 1 * x, cases=10,
                   dtypes=dtypes, shrink=False)  # fmt: skip
    assert (result.failure.result, result.failure.oracle) == ("dx", "second call")
    assert "between two calls" in result.failure.message


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_part_in_ten_thousand_of_one_entry_is_found_in_one_precision_alone(dtype):
    def almost(dy, x, w):
        dx = dy @ w.T
        dx.flat[-1:] *= dx.dtype.type(1.0001)
        return dx, x.T @ dy

    wrong = WithVJP(lambda x, w: x @ w, almost)
    result = check(wrong, "bi, io", against=lambda x, w: x @ w, dtypes=dtype, cases=40)
    assert result.failure.result == "dx"


def matmul(x, w):
    return x @ w


def in_bfloat16(x, w):
    return (x.bfloat16() @ w.bfloat16()).to(x.dtype)


def test_a_kernel_that_computes_in_less_is_judged_in_that_and_says_so():
    result = check(in_bfloat16, "bi, io", against=matmul, cases=40, dtypes="float32")
    assert result, result
    assert "its forward computes in bfloat16: errors up to 6 pass" in str(result)
    half = check(lambda x, w: (x.half() @ w.half()).to(x.dtype), "bi, io", against=matmul,
                 cases=40, dtypes="float32")  # fmt: skip
    assert half.subject.inside == "float16"
    leaning = check(
        lambda x, w: in_bfloat16(x, w) + 0.2 * (x @ w - (x @ w).detach()), "bi, io",
        against=matmul, cases=20, dtypes="float32", shrink=False,
    )  # fmt: skip
    assert leaning.failure.result in ("dx", "dw")
    assert not check(in_bfloat16, "bi, io", against=matmul, cases=20, shrink=False)


@pytest.mark.parametrize("off", [lambda y: 1.01 * y, lambda y: y + 0.003])
def test_a_wrong_forward_is_no_low_precision(off):
    for inside in (lambda x, w: off(matmul(x, w)), lambda x, w: off(in_bfloat16(x, w))):
        assert not check(inside, "bi, io", against=matmul, cases=20, dtypes="float32", shrink=False)


def test_a_gradient_alone_in_less_is_wrong():
    coarse = WithVJP(matmul, lambda dy, x, w: ((dy @ w.T).bfloat16().to(x.dtype), x.T @ dy))
    for dtypes in ("float32", "float64"):
        result = check(coarse, "bi, io", against=matmul, cases=20, dtypes=dtypes, shrink=False)
        assert result.failure.result == "dx"


def test_another_bound_shows_in_the_result():
    slightly = WithVJP(matmul, lambda dy, x, w: (dy @ w.T * (1 + 5e-5), x.T @ dy))
    options = {"against": matmul, "cases": 20, "dtypes": "float32", "shrink": False}
    assert not check(slightly, "bi, io", **options)
    result = check(slightly, "bi, io", **options, accept=2000)
    assert result
    assert "errors up to 2000 pass, as asked" in str(result)
    assert "2000" in result.to_dict()["bound"]
    assert not check("softmax", cases=6, accept=1e-6, shrink=False)
    with pytest.raises(VerifyError, match="accept is 0"):
        check(slightly, "bi, io", **options, accept=0)


def test_the_figures_are_those_of_the_verdict():
    result = check(TENFOLD, "bt", cases=8, shrink=False)
    assert result.failure.oracle == "its own forward"
    assert result.gradient_error == result.failure.error > 1e6
    assert result.to_dict()["results"][0]["gradient_error"] > 1e6


def test_options_that_no_case_sets_are_named():
    def scaled(x, scale=2.0, *, fancy=False):
        return scale * x

    result = check(scaled, "bt", against=lambda x: 2 * x, cases=4)
    assert "options of scaled left out: scale, fancy" in str(result)
    result = check(scaled, "bt", against=lambda x: 3 * x, static={"scale": 3.0}, cases=4)
    assert "left out: scale, which it does not know" in str(result)
    plain = check(lambda x, axis=-1, mystery=0: torch.softmax(x, axis), against="softmax", cases=4)
    assert "left out: mystery, which softmax does not know" in str(plain)


def test_a_loss_that_saturates_is_not_wrong():
    """log(1 + exp(-a)) from logits that are a apart, of which float32 keeps nothing."""

    def loss(x):
        return torch.logsumexp(x, -1) - x[..., 0]

    apart = st.floats(24, 31).map(lambda a: np.array([[50.3, 50.3 - a], [-20.7, -20.7 - a]]))
    result = check(loss, [apart], against=lambda x: -torch.log_softmax(x, -1)[..., 0], cases=60)
    assert result, result


def test_what_is_left_of_1_minus_a_number_near_1_is_not_wrong():
    """0 for 1.6e-10 is rounding of the 1; a hundredth of it is not."""

    def of(by):
        return lambda x: (1 - torch.sigmoid(x)) * by

    asked = {"against": lambda x: torch.sigmoid(-x), "cases": 100, "shrink": False}
    result = check(of(1.0), "bt", **asked)
    assert result, result
    assert not check(of(1.01), "bt", **asked)


def test_a_formula_that_loses_digits_is_not_wrong():
    def one_pass(x):
        return (x * x).mean(-1) - x.mean(-1) ** 2

    two_passes = lambda x: x.var(-1, correction=0)  # noqa: E731
    far = st.floats(300, 301).map(lambda a: np.array([[a, a + 0.25, a - 0.5]]))
    result = check(one_pass, [far], against=two_passes, cases=20)
    assert result, result
    biased = check(lambda x: x.var(-1), [far], against=two_passes, cases=20, shrink=False)
    assert not biased


def test_an_infinity_is_right_where_the_value_is_past_the_largest_number():
    exp = WithVJP(np.exp, lambda dy, x: dy * np.exp(x))
    large = [st.sampled_from([1.0, 88.8, 120.0, 800.0, -800.0]).map(lambda a: np.array([1.0, a]))]
    for result in (check(exp, large, cases=20), check(torch.cosh, large, cases=20)):
        assert result, result
    early = WithVJP(lambda x: np.exp(2 * x) / np.exp(x), lambda dy, x: dy * np.exp(x))
    assert not check(early, [np.array([1.0, 50.0])], cases=8, shrink=False)


def positive_only(x):
    if (x < 0).any():
        raise ValueError("x must not be negative")
    return x * x, x


ROOT = (positive_only, lambda dy, x: 2 * dy * x)


def test_what_a_function_refuses_is_counted_and_left_out():
    assert check(ROOT, [np.array([0.0, 1.0])], cases=10)  # which a step to the left would leave
    result = check(ROOT, "b", cases=10)
    assert result
    assert result.refused > 5
    assert "must not be negative" in result.tallies[0].refusal
    double = (positive_only, lambda dy, x: 4 * dy * x)
    assert not check(double, "b", cases=10)


def test_a_function_that_refuses_everything_gets_no_verdict():
    def never(dy, x):
        raise RuntimeError("not yet written")

    with pytest.raises(VerifyError, match="none of .* gave a result for square: .*not yet written"):
        check(WithVJP(np.square, never), "bt", cases=5)


def test_a_reference_may_refuse_too():
    def even(x):
        assert x.shape[-1] % 2 == 0
        return 2 * x

    assert check(lambda x: 2 * x, "bt", against=even, cases=10).refused
    assert check(even, "bt", against=even, cases=10).refused


def test_an_exception_in_an_explanation_costs_that_explanation(monkeypatch):
    from npformer.verify import diagnosis

    def broken(*args):
        raise KeyError("q")

    monkeypatch.setattr(diagnosis, "diagnose_check", broken)
    result = check(TENFOLD, "bt", cases=8)
    assert not result
    assert result.diagnoses == ()


def test_a_function_without_an_option_meets_only_cases_of_its_own_output():
    def mean_loss(logits, targets):
        return ops.cross_entropy_forward(logits, targets)

    result = check((mean_loss, ops.cross_entropy_backward), against="cross_entropy", cases=20)
    assert result, result


class Tiring:
    """x w and its gradient, times ``factor``; it raises in the calls that ``raises`` names."""

    def __init__(self, factor, raises):
        self.factor, self.raises, self.calls = factor, raises, 0

    def forward(self, x, w):
        return x * w, (x, w)

    def backward(self, dy, cache):
        self.calls += 1
        x, w = cache
        if self.raises(self.calls, dy.dtype):
            raise MemoryError("no more")
        return self.factor * dy * w, (dy * x).sum(0)


@pytest.mark.parametrize("dtypes", [("float64", "float32"), ("float32", "float64")])
def test_what_one_dtype_has_shown_stands_where_the_other_gives_no_result(dtypes):
    first = np.dtype(dtypes[0])
    half = Tiring(1.5, lambda calls, dtype: dtype != first)
    result = check(half, "bd, d", against=lambda x, w: x * w, dtypes=dtypes, cases=40)
    assert result.failure.result == "dx"
    assert "1.5 times" in result.diagnoses[0].sentence
    assert f"no case of {dtypes[1]} gave a result: MemoryError: no more" in str(result)
    shown = result.to_dict()["results"]
    assert [(r["verdict"], r["cases"]) for r in shown] == [("wrong", 20), ("no verdict", 0)]


def test_what_one_dtype_has_shown_stands_where_the_other_is_random():
    rng = np.random.default_rng(0)

    def forward(x):
        return x + (rng.random(x.shape) * (x.dtype == np.float32)).astype(x.dtype), None

    result = check((forward, lambda dy, _: 2 * dy), "bd", against=lambda x: x, cases=20)
    assert result.failure.result == "dx"
    assert "no case of float32 gave a result" in str(result)
    assert "is random" in str(result)


@pytest.mark.parametrize("after", [20, 61])
def test_what_was_seen_before_it_begins_to_raise_stands(after):
    tired = Tiring(3, lambda calls, _: calls > after)
    result = check(tired, "bd, d", against=lambda x, w: x * w, cases=40)
    assert not result
    assert "refused: MemoryError: no more" in str(result)


@pytest.mark.parametrize("every", [17, 29])
def test_raising_now_and_then_is_no_mistake_of_the_gradient(every):
    """Neither the layout of a case, nor that it came twice, is why."""
    for first in range(every):
        moody = Tiring(1, lambda calls, _, first=first: calls % every == first)
        result = check(moody, "bd, d", against=lambda x, w: x * w, cases=12)
        assert result, result


def test_raising_whenever_a_case_comes_again_is_a_mistake():
    seen = set()

    def backward(dy, x):
        key = x.tobytes()
        if key in seen:
            raise KeyError("its cache was let go")
        seen.add(key)
        return 2 * dy * x

    result = check(WithVJP(lambda x: x * x, backward), "bd", against=torch.square, cases=20)
    assert result.failure.oracle == "second call"
    assert "a second call raises KeyError" in str(result)
