"""Diagnoses of several outputs, and of a gradient that is wrong in one use alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from npformer.verify import check


def forward(x, w):
    return (x * w, np.tanh(x)), (x, w)


def reference(x, w):
    return x * w, torch.tanh(x)


def backward(wrong):
    def function(dys, cache):
        (dy0, dy1), (x, w) = dys, cache
        if wrong == "swapped":
            dy0, dy1 = dy1, dy0
        share = {"lacks": 0.0, "twice": 2.0, "sign": -1.0}.get(wrong, 1.0)
        dx = dy0 * w + share * dy1 * (1 - np.tanh(x) ** 2)
        return dx, (dy0 * x).sum(tuple(range(x.ndim - 1)))

    return function


@pytest.mark.parametrize(
    ("wrong", "against", "said"),
    [
        ("lacks", reference, "dx lacks the share of dy1"),
        ("twice", None, "dx has the share of dy1 twice"),
        ("sign", None, "dx has the share of dy1 with the wrong sign"),
        ("swapped", None, "have dy0 and dy1 in each other's place"),
    ],
)
def test_the_share_of_one_output(wrong, against, said):
    result = check((forward, backward(wrong)), "bd, d", against=against, cases=24, shrink=False)
    assert any(said in d.sentence for d in result.diagnoses), result.diagnoses


class Frozen(torch.autograd.Function):
    """Half of dx where w gets no gradient."""

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x * w

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return dy * w * (1.0 if ctx.needs_input_grad[1] else 0.5), (dy * x).sum(0)


class Counts:
    """The second backward of a forward gives twice the gradient."""

    @staticmethod
    def forward(x, w):
        return x * w, [x, w, 0]

    @staticmethod
    def backward(dy, cache):
        cache[2] += 1
        return dy * cache[1] * cache[2], (dy * cache[0]).sum(0)


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        (Frozen, "dx is off by the factor 1/2 = 0.5 with w frozen (requires_grad=False)"),
        ((Counts.forward, Counts.backward), "factor 2 in the second backward of a forward"),
    ],
)
def test_a_gradient_that_is_wrong_in_one_use(subject, said):
    result = check(subject, "bd, d", against=lambda x, w: x * w, cases=24, shrink=False)
    (diagnosis,) = result.diagnoses
    assert said in diagnosis.sentence and diagnosis.sentence.endswith("right in a plain call")


class Expanded(Frozen):
    """Takes an expanded dy for zeros, as ``sum().backward()`` hands one over."""

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x * w, torch.tanh(x)

    @staticmethod
    def backward(ctx, dy0, dy1):
        x, w = ctx.saved_tensors
        if 0 in dy0.stride():
            dy0 = torch.zeros_like(x)
        return dy0 * w + dy1 * (1 - torch.tanh(x) ** 2), (dy0 * x).sum(0)


def test_an_expanded_upstream_gradient_of_one_of_two_outputs():
    result = check(Expanded, "bd, d", against=reference, cases=120, shrink=False)
    (diagnosis,) = result.diagnoses
    assert "dy0 has a stride of 0" in diagnosis.sentence, diagnosis.sentence
