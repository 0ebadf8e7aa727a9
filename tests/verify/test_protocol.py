"""Backwards that are right in one plain call, and wrong as training uses them."""

from __future__ import annotations

import contextlib
import io
import re

import numpy as np
import pytest
import torch

from npformer.verify import WithVJP, check


class Frozen(torch.autograd.Function):
    """A product whose first gradient is there only while the second is asked for."""

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x * w

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return dy * w if ctx.needs_input_grad[1] else torch.zeros_like(x), dy * x


def consuming(dy, cache):
    x, w = cache
    dx = dy * w
    w *= dy  # in place, to save an array
    return dx, dy * x


class Stateful:
    """Keeps its activations on itself: the next forward overwrites them."""

    def forward(self, x, w):
        self.x, self.w = x, w
        return x * w, None

    def backward(self, dy, cache):
        return dy * self.w, dy * self.x


def biased(dy, x, w):
    return np.where(dy == 0, 1e-3, dy * w).astype(dy.dtype), dy * x


STATEFUL = Stateful()
WRONG = {
    "an input frozen": (Frozen, "with w frozen .* another gradient"),
    "a backward twice": (
        (lambda x, w: (x * w, (x.copy(), w.copy())), consuming),
        "a second backward of the same forward",
    ),
    "another forward between": (
        (STATEFUL.forward, STATEFUL.backward),
        "after another call's forward",
    ),
    "an upstream gradient of zeros": (
        WithVJP(lambda x, w: x * w, biased),
        "zeros gives a gradient that is not zero",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_backward_that_a_plain_call_does_not_find_wrong_is_found(name):
    function, said = WRONG[name]
    result = check(function, "bt, bt", against=lambda x, w: x * w, cases=10, shrink=False)
    assert result.failure.oracle == "protocol", result
    assert re.search(said, result.failure.message)


class FrozenWide(torch.autograd.Function):
    """The same mistake, in a path that wide inputs alone take."""

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x * w

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        lost = x.shape[-1] > 4 and not ctx.needs_input_grad[1]
        return dy * w * (0 if lost else 1), dy * x


def test_every_case_freezes_an_input_and_what_is_found_is_shrunk():
    result = check(FrozenWide, "bt, bt", against=lambda x, w: x * w, cases=60)
    assert result.failure.oracle == "protocol", result
    assert result.failure.case.inputs["x"].shape[-1] == 5
    code = result.failure.reproduce
    assert re.search(r"x = .*requires_grad=True\)\n", code), code
    assert not re.search(r"w = .*requires_grad", code), code
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(code, {})
    assert re.fullmatch(r"tensor\(\[\[-?0\.,.*\n?.*dtype=torch.float64\)\n", shown.getvalue())


def test_a_backward_that_frees_what_it_used_is_not_accused():
    def once(dy, cache):
        x, w = cache.pop()
        return dy * w, dy * x

    pair = (lambda x, w: (x * w, [(x, w)]), once)
    assert check(pair, "bt, bt", against=lambda x, w: x * w, cases=6)


class ClearsItsTargets(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, target):
        ctx.shape, ctx.target = x.shape, target.clone()
        y = x.gather(1, target[:, None])
        target.zero_()
        return y

    @staticmethod
    def backward(ctx, dy):
        return torch.zeros(ctx.shape, dtype=dy.dtype).scatter(1, ctx.target[:, None], dy), None


def clears_its_mask(x, mask):
    kept = mask.copy()
    mask[...] = False
    return np.where(kept, x, 0), kept


@pytest.mark.parametrize(
    ("subject", "spec", "name"),
    [
        (ClearsItsTargets, "tv, t:int<v", "target"),
        ((clears_its_mask, lambda dy, kept: np.where(kept, dy, 0)), "tv, tv:bool", "mask"),
    ],
)
def test_integers_and_booleans_that_are_written_to_are_named(subject, spec, name):
    result = check(subject, spec, cases=12, shrink=False)
    assert set(result.wrong) == {name}
    assert f"{name}, which is the caller's" in str(result).replace("wrote to ", "")
    assert f"print({name})" in result.failure.reproduce
