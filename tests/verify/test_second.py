"""The gradient's own gradient."""

from __future__ import annotations

import contextlib
import io

import pytest
import torch

from npformer.errors import VerifyError
from npformer.verify import check


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
    result = check(Detached, "bd, bd", against=weighted, double=True, cases=20)
    assert set(result.wrong) == {"dx", "the gradient"}  # by the forward's own derivative, too
    assert result.name == "the backward of Detached"
    assert result.failure is not None
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(result.failure.reproduce, {})
    assert float(shown.getvalue().split("(")[1].split(",")[0]) == result.failure.got
    cube = check(Cube, "bd", against=lambda x: x**3, double=True, cases=10).failure
    assert "torch.autograd.grad(y, (x, up_y), dy" in cube.reproduce
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(cube.reproduce, {})
    assert float(shown.getvalue().split("(")[1].split(",")[0]) == cube.got


def test_a_backward_without_a_graph_is_named():
    assert check(NoGraph, "bd, bd", against=weighted, cases=10)
    result = check(NoGraph, "bd, bd", against=weighted, double=True, cases=10, shrink=False)
    assert "the backward of NoGraph is detached" in result.failure.message


def test_what_has_no_double_backward():
    pair = (lambda x: (x, None), lambda dy, cache: dy)
    with pytest.raises(VerifyError, match="double backward is checked of"):
        check(pair, "bd", double=True)
