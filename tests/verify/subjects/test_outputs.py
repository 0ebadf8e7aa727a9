"""Functions of several outputs, of every kind: each output has an upstream gradient of its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from npformer.errors import VerifyError
from npformer.verify import WithVJP, check
from npformer.verify.answer.reproduce import reproduction
from tests.verify.answer.test_reproduce import printed, the_number


def both(x, w):
    return x * w, x + w


def pair_of(wrong=False):
    def backward(dy, cache):
        x, w = cache
        scaled, added = dy
        return scaled * w + (0 if wrong else added), scaled * x + added

    return (lambda x, w: (both(x, w), (x, w))), backward


def vjp_of(wrong=False):
    return WithVJP(both, lambda dy, x, w: pair_of(wrong)[1](dy, (x, w)))


def function_of(wrong=False):
    class Both(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return both(x, w)

        @staticmethod
        def backward(ctx, scaled, added):
            return pair_of(wrong)[1]((scaled, added), ctx.saved_tensors)

    return Both


class Module(torch.nn.Module):
    def __init__(self, wrong=False):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(3))
        self.function = function_of(wrong)

    def forward(self, x):
        return self.function.apply(x, self.w.expand(x.shape))


KINDS = {
    "pair": (pair_of, "bt, bt"),
    "pair of functions of tensors": (
        lambda wrong: (lambda x, w: ((torch.mul(x, w), x + w), (x, w)), pair_of(wrong)[1]),
        "bt, bt",
    ),
    "vjp": (vjp_of, "bt, bt"),
    "vjp of tensors": (
        lambda wrong: WithVJP(lambda x, w: (torch.mul(x, w), x + w), vjp_of(wrong).vjp),
        "bt, bt",
    ),
    "autograd.Function": (function_of, "bt, bt"),
    "function of tensors": (lambda wrong: lambda x, w: function_of(wrong).apply(x, w), "bt, bt"),
    "module": (Module, "b3"),
    "outputs by name": (
        lambda wrong: (
            lambda x, w: dict(zip(("scaled", "added"), function_of(wrong).apply(x, w), strict=True))
        ),
        "bt, bt",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_function_of_several_outputs_is_judged_by_its_own_forward(kind):
    made, inputs = KINDS[kind]
    right = check(made(False), inputs, cases=20)
    assert right, right
    assert right.directional_cases > 3
    result = check(made(True), inputs, cases=20, shrink=False)
    assert result.failure.result == "dx"
    assert "dy1 = " in result.failure.reproduce
    subject = made(True)
    names = {"your_module": subject}
    names |= {"forward": subject[0], "backward": subject[1]} if isinstance(subject, tuple) else {}
    if isinstance(subject, WithVJP):
        names |= {"function": subject.function, "vjp": subject.vjp, "both": both}
    names |= {"Both": subject} if callable(subject) else {}
    names.setdefault("function", subject)
    shown = the_number(printed(result.failure.reproduce, **names))
    assert shown == pytest.approx(result.failure.got, rel=1e-3, abs=1e-9)


REFERENCES = {
    "a function of tensors": lambda x, w: (torch.mul(x, w), x + w),
    "an autograd.Function": function_of(),
    "a pair": pair_of(),
    "a vjp": vjp_of(),
    "a forward alone": lambda x, w: (np.multiply(x, w), x + w),
}


@pytest.mark.parametrize("kind", REFERENCES)
def test_any_reference_may_have_several_outputs(kind):
    assert check(function_of(), "bt, bt", against=REFERENCES[kind], cases=20)
    assert not check(function_of(True), "bt, bt", against=REFERENCES[kind], cases=20, shrink=False)


def test_an_output_that_is_not_used_may_come_as_none():
    class Careless(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return 2 * x, x * 3

        @staticmethod
        def backward(ctx, twice, thrice):
            return 2 * twice + 3 * thrice

    class Careful(Careless):
        @staticmethod
        def backward(ctx, twice, thrice):
            return (0 if twice is None else 2 * twice) + (0 if thrice is None else 3 * thrice)

    reference = lambda x: (2 * x, 3 * x)  # noqa: E731
    assert check(Careful, "bt", against=reference, cases=40)
    result = check(Careless, "bt", against=reference, cases=40, shrink=False)
    assert "NoneType" in result.failure.message
    assert not all(a.any() for a in result.failure.case.upstream.values())


def test_an_output_of_integers_is_left_out_and_said_so():
    def top(x):
        values, index = torch.sort(x)
        return values[..., 0], index, None

    result = check(top, "bt", against=lambda x: x.amin(-1), cases=20)
    assert result
    assert "output 1 (torch.int64), output 2 (None) of top: no gradient" in str(result)

    def numbered(dy, x):
        assert dy[1] is None
        return 2 * dy[0]

    assert check(WithVJP(lambda x: (2 * x, np.argmax(x)), numbered), "bt", cases=20)


def test_the_wrong_output_is_named():
    result = check(lambda x: (x + 1, x * 2), "bt", against=lambda x: (x + 1, x * 3), cases=20)
    assert "y1" in result.wrong
    assert "y0" not in result.wrong
    assert reproduction(result.subject, result.failure)


def test_a_different_number_of_outputs_is_said_in_a_line():
    with pytest.raises(VerifyError, match="returns 2 outputs, and function 1; each output"):
        check(function_of(), "bt, bt", against=lambda x, w: torch.tanh(x))
    with pytest.raises(VerifyError, match="returns 2 outputs; silu has one"):
        check(lambda x: (x, torch.tanh(x)), against="silu")
