"""Projection and cross-entropy by chunks against PyTorch's own, unchunked and chunked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given
from hypothesis import strategies as st

from tests.examples import examples
from torch_ref.train.linear_cross_entropy import linear_cross_entropy

IGNORED = 2
EPS = np.finfo(np.float64).eps


def draw(rows: int, width: int, classes: int, scale: float, ignored: float, seed: int) -> tuple:
    """hidden (R, D), weight (V, D), targets (R,), and what comes from above, a number."""
    rng = np.random.default_rng(seed)
    hidden = torch.tensor(rng.standard_normal((rows, width)) * scale, requires_grad=True)
    weight = torch.tensor(rng.standard_normal((classes, width)), requires_grad=True)
    targets = torch.tensor(rng.integers(0, classes, rows))
    targets[torch.tensor(rng.random(rows) < ignored)] = IGNORED
    return hidden, weight, targets, torch.tensor(rng.standard_normal())


def plain(hidden, weight, targets, label_smoothing: float = 0.0, bias=None, z_loss: float = 0.0):
    logits = F.linear(hidden, weight, bias)
    loss = F.cross_entropy(
        logits,
        targets,
        ignore_index=IGNORED,
        label_smoothing=label_smoothing,
        reduction="sum",
    )
    return loss + z_loss * torch.logsumexp(logits[targets != IGNORED], -1).square().sum()


@examples(2)
@given(
    rows=st.integers(1, 9),
    width=st.integers(1, 5),
    classes=st.integers(3, 12),
    chunk=st.integers(1, 11),
    scale=st.sampled_from([1e-3, 1.0, 30.0, 1e4]),
    ignored=st.sampled_from([0.0, 0.4, 1.0]),
    biased=st.booleans(),
    label_smoothing=st.sampled_from([0.0, 0.1, 0.9]),
    z_loss=st.sampled_from([0.0, 1e-3]),
    seed=st.integers(0, 2**32),
)
@example(7, 3, 5, 3, 1.0, 1.0, True, 0.1, 1e-3, 0)  # every target ignored
@example(8, 3, 5, 8, 1e4, 0.0, False, 0.1, 0.0, 1)  # one chunk; soft-max saturates
def test_loss_and_gradients_are_those_of_the_unchunked(
    rows, width, classes, chunk, scale, ignored, biased, label_smoothing, z_loss, seed
):
    hidden, weight, targets, above = draw(rows, width, classes, scale, ignored, seed)
    bias = torch.linspace(-scale, scale, classes).double().requires_grad_() if biased else None
    leaves = (hidden, weight) if bias is None else (hidden, weight, bias)
    ours = linear_cross_entropy(
        hidden,
        weight,
        targets,
        bias,
        chunk=chunk,
        ignore_index=IGNORED,
        label_smoothing=label_smoothing,
        z_loss=z_loss,
    )
    expected = plain(hidden, weight, targets, label_smoothing, bias, z_loss)
    # A logit is a sum of `width` products; what it is off by, the soft-max carries on.
    size = (hidden.abs() @ weight.abs().T).max().item() + (scale if biased else 0)
    off = 16 * EPS * (1 + size)
    off *= 1 + 2 * z_loss * size  # of a square, by its slope
    assert ours.item() == pytest.approx(expected.item(), rel=0, abs=off * rows)
    found = torch.autograd.grad(ours, leaves, above)
    gradients = torch.autograd.grad(expected, leaves, above)
    reach = [weight.detach().abs().sum(0).max(), hidden.detach().abs().sum(0).max(), rows]
    for ours, theirs, most in zip(found, gradients, reach[: len(leaves)], strict=True):
        assert (ours - theirs).abs().max() <= off * most * above.abs()


@pytest.mark.skipif(
    not hasattr(F, "linear_cross_entropy"), reason="PyTorch 2.13 brought its own chunked loss"
)
def test_pytorchs_own_chunked_loss_agrees():
    """It has no label smoothing."""
    hidden, weight, targets, above = draw(29, 6, 17, 2.0, 0.3, 5)
    ours = linear_cross_entropy(hidden, weight, targets, chunk=4, ignore_index=IGNORED)
    theirs = F.linear_cross_entropy(
        hidden,
        weight,
        targets,
        ignore_index=IGNORED,
        reduction="sum",
        options=torch.nn.LinearCrossEntropyOptions(),
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-13, atol=0)
    gradients = [torch.autograd.grad(loss, (hidden, weight), above) for loss in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-11, atol=1e-13)


def test_no_more_logits_than_a_chunk_exist_at_once(monkeypatch):
    sizes = []
    amax = torch.Tensor.amax
    monkeypatch.setattr(
        torch.Tensor, "amax", lambda x, *a, **k: (sizes.append(tuple(x.shape)), amax(x, *a, **k))[1]
    )
    hidden, weight, targets, _ = draw(10, 3, 7, 1.0, 0.2, 0)
    loss = linear_cross_entropy(hidden, weight, targets, chunk=4, ignore_index=IGNORED)
    kept = [tuple(t.shape) for t in loss.grad_fn.saved_tensors]
    assert sizes == [(4, 7), (4, 7), (2, 7)]
    assert kept == [(10, 3), (7, 3)]


def test_without_gradients_nothing_is_kept():
    hidden, weight, targets, _ = draw(10, 3, 7, 1.0, 0.2, 0)
    with torch.no_grad():
        loss = linear_cross_entropy(hidden, weight, targets, chunk=4, ignore_index=IGNORED)
    assert not loss.requires_grad
    assert loss == pytest.approx(plain(hidden, weight, targets).item(), rel=1e-13)


@pytest.mark.parametrize("bad", [-1, 7])
def test_a_target_outside_the_vocabulary(bad):
    hidden, weight, targets, _ = draw(10, 3, 7, 1.0, 0.2, 0)
    targets[5] = bad
    with pytest.raises(IndexError, match=str(bad)):
        linear_cross_entropy(hidden, weight, targets, chunk=4, ignore_index=IGNORED)


def test_under_autocast_the_products_are_rounded_and_the_sums_are_not():
    hidden, weight, targets, _ = draw(64, 32, 50, 1.0, 0.2, 3)
    hidden, weight = (t.detach().float().requires_grad_() for t in (hidden, weight))
    options = dict(ignore_index=IGNORED, label_smoothing=0.1)
    exact = plain(hidden, weight, targets, 0.1)
    with torch.autocast("cpu", torch.bfloat16):
        loss = linear_cross_entropy(hidden, weight, targets, chunk=13, **options)
    assert loss.dtype == torch.float32
    bf16 = torch.finfo(torch.bfloat16).eps
    assert loss.item() == pytest.approx(exact.item(), rel=2 * bf16)
    assert loss.item() != exact.item()
    for ours, theirs in zip(
        torch.autograd.grad(loss, (hidden, weight)),
        torch.autograd.grad(exact, (hidden, weight)),
        strict=True,
    ):
        assert ours.dtype == torch.float32
        assert (ours - theirs).norm() <= 4 * bf16 * theirs.norm()
