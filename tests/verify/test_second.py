"""The gradient's own gradient."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
import torch

from npformer.errors import VerifyError
from npformer.verify import WithVJP, check


class Weighted(torch.autograd.Function):
    """x^2 w, whose backward autograd can follow."""

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x * x * w

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return 2 * x * w * dy, x * x * dy


class Detached(Weighted):
    """Right once: what it takes from the forward is a constant to autograd."""

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return 2 * x.detach() * w * dy, x * x * dy


class NoGraph(Weighted):
    @staticmethod
    def backward(ctx, dy):
        with torch.no_grad():
            return Weighted.backward(ctx, dy)


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, dy):
        return 3 * ctx.saved_tensors[0].detach() ** 2 * dy


def weighted(x, w):
    return x * x * w


def test_a_right_double_backward():
    assert check(Weighted, "bd, bd", against=weighted, double=True, cases=40)
    two = lambda x: (x**3, x.exp())  # noqa: E731
    assert check(two, "bd", against=two, double=True, cases=10)


def test_a_backward_that_is_right_once_is_wrong_twice():
    assert check(Detached, "bd, bd", against=weighted, cases=20)
    result = check(Detached, "bd, bd", against=weighted, double=True, cases=20, shrink=False)
    assert set(result.wrong) == {"dx", "the gradient"}  # by the forward's own derivative, too
    assert result.name == "the backward of Detached"
    assert result.failure is not None
    assert shown(result) == pytest.approx(result.failure.got, abs=1e-3)
    cube = check(Cube, "bd", against=lambda x: x**3, double=True, cases=4, shrink=False).failure
    assert "torch.autograd.grad(y, (x, up_y), dy" in cube.reproduce
    assert "dx = gradients[0]" in cube.reproduce


def test_a_backward_without_a_graph_is_named():
    assert check(NoGraph, "bd, bd", against=weighted, cases=10)
    result = check(NoGraph, "bd, bd", against=weighted, double=True, cases=10, shrink=False)
    assert "the backward of NoGraph is detached" in result.failure.message


class Once(Weighted):
    """Says itself that it has no second derivative."""

    backward = staticmethod(torch.autograd.function.once_differentiable(Weighted.backward))


def test_a_backward_that_is_marked_once_differentiable_is_refused():
    """``torch.autograd.grad`` would give zeros, and ``backward`` raises."""
    with pytest.raises(VerifyError, match="marked with once_differentiable"):
        check(lambda x, w: Once.apply(x.exp(), w), "bd, bd", double=True, cases=4)


class Tanh(torch.autograd.Function):
    """Its backward is given a number that autograd does not know of."""

    @staticmethod
    def forward(ctx, x):
        ctx.y = torch.tanh(x).detach()
        return ctx.y.clone()

    @staticmethod
    def backward(ctx, dy):
        return dy * (1 - ctx.y**2)


class Layer(torch.nn.Module):
    def __init__(self, activation):
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)
        self.activation = activation

    def forward(self, x):
        return self.activation(self.linear(x))


def pair_forward(x, w):
    return x * x * w, (x, w)


def pair_forward_detached(x, w):
    return x * x * w, (x.detach(), w)


def pair_backward(dy, cache):
    x, w = cache
    return 2 * x * w * dy, x * x * dy


def vjp(dy, x, w):
    return pair_backward(dy, (x, w))


def detached_vjp(dy, x, w):
    return pair_backward(dy, (x.detach(), w))


def shown(result, **names) -> float:
    """What the printed code prints."""
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(result.failure.reproduce, names)
    return float(shown.getvalue().split("(")[1].split(",")[0])


def test_the_double_backward_of_a_module_has_its_parameters():
    right = Layer(torch.tanh)
    as_function = lambda x, weight, bias: torch.tanh(x @ weight.T + bias)  # noqa: E731
    assert check(right, "b3", against=as_function, double=True, cases=6)
    wrong = Layer(Tanh.apply)
    assert check(wrong, "b3", against=right, cases=6)
    for against in (right, None):
        result = check(wrong, "b3", against=against, double=True, cases=2, shrink=False)
        assert set(result.wrong) & {"grad linear.weight", "the gradient"}
        assert shown(result, your_module=wrong) == pytest.approx(result.failure.got, abs=1e-3)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ((pair_forward, pair_backward), (pair_forward_detached, pair_backward), "y0, y1 = pair_b"),
        (WithVJP(weighted, vjp), WithVJP(weighted, detached_vjp), "y0, y1 = detached_vjp(up_y, x"),
    ],
)
def test_the_double_backward_of_a_pair_and_a_vjp_of_tensors(right, wrong, said):
    assert check(right, "bd, bd", against=weighted, double=True, cases=10)
    assert check(weighted, "bd, bd", against=right, double=True, cases=10)
    assert check(wrong, "bd, bd", against=weighted, cases=10)
    result = check(wrong, "bd, bd", against=weighted, double=True, cases=10, shrink=False)
    assert result.failure.result == "dx" and said in result.failure.reproduce
    assert shown(result) == pytest.approx(result.failure.got, abs=1e-3)


def test_a_backward_is_checked_by_its_own_differences_too():
    assert check(Weighted, "bd, bd", double=True, cases=10)
    result = check(Detached, "bd, bd", double=True, cases=10, shrink=False)
    assert result.failure.result == "dx"


def test_a_reference_of_arrays_is_differentiated_by_differences():
    sine = (lambda x: (np.sin(x), x), lambda dy, x: np.cos(x) * dy)
    assert check(torch.sin, "bd", against=sine, double=True, cases=10)
    wrong = (lambda x: (np.sin(x), x), lambda dy, x: 1.1 * np.cos(x) * dy)
    assert not check(torch.sin, "bd", against=wrong, double=True, cases=10, shrink=False)


def test_the_debugger_stops_in_the_first_backward(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("args\nquit\n"))
    check(Detached, "bd, bd", double=True, cases=2, shrink=False, debug=True)
    assert "backward()" in capsys.readouterr().out.split("(Pdb)")[0].splitlines()[-2]


def test_what_has_no_double_backward_is_told_what_to_do():
    square = (lambda x: (np.square(x), x), lambda dy, x: np.multiply(2 * x, dy))
    with pytest.raises(VerifyError, match="of NumPy arrays, which nothing differentiates") as told:
        check(square, "bd", double=True)
    assert "WithVJP(backward, derivative), with dy among the inputs" in str(told.value)
    derivative = WithVJP(lambda dy, x: 2 * x * dy, lambda ddx, dy, x: (2 * x * ddx, 2 * dy * ddx))
    assert check(derivative, "bd, bd", cases=10)  # as told
    with pytest.raises(VerifyError, match="sin has no gradient whose gradient"):
        check(torch.sin, "bd", against=np.sin, double=True)
    with pytest.raises(VerifyError, match="for a double backward of relu give inputs"):
        check(torch.relu, against="relu", double=True)
    with pytest.raises(VerifyError, match="in float64 and float32"):
        check(torch.sin, "bd", against=torch.sin, double=True, dtypes="float16")
