"""What docs/edges.md says of PyTorch, asked of the version that is installed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from npformer.errors import VerifyError
from npformer.verify import check
from torch_ref.train.linear_cross_entropy import linear_cross_entropy

SINCE_2_14 = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 14)
NAN = math.nan


def nans(*tensors: Tensor | None) -> list[bool]:
    """Of each tensor, whether there is a NaN in it."""
    return [bool(tensor.isnan().any()) for tensor in tensors if tensor is not None]


def with_hidden(train: bool, need_weights: bool, memory: Tensor, hides: Tensor) -> Tensor:
    """nn.MultiheadAttention of a memory of which rows are hidden, less its output bias."""
    torch.manual_seed(0)
    layer = torch.nn.MultiheadAttention(4, 2, batch_first=True).train(train)
    torch.nn.init.ones_(layer.out_proj.bias)
    with torch.set_grad_enabled(train):
        x = memory if not train else torch.ones(1, 2, 4)
        y, _ = layer(x, memory, memory, key_padding_mask=hides, need_weights=need_weights)
    return y.detach() - 1


def test_multihead_attention_of_a_query_that_sees_nothing():
    memory, everything = torch.ones(1, 3, 4), torch.ones(1, 3, dtype=torch.bool)
    assert with_hidden(True, True, memory, everything).isnan().all()
    assert not with_hidden(True, False, memory, everything).any()
    for need_weights in (True, False):
        assert with_hidden(False, need_weights, memory, everything).isnan().all()


@pytest.mark.parametrize("need_weights", [True, False])
def test_multihead_attention_of_a_hidden_row_that_is_no_number(need_weights):
    memory, hides = torch.ones(1, 3, 4), torch.tensor([[False, False, True]])
    memory[:, 2] = NAN
    assert with_hidden(True, need_weights, memory, hides).isnan().all()


@pytest.mark.parametrize(("worst", "found"), [(NAN, [1, 1, 1, 0]), (3e38, [0, 1, 1, 0])])
def test_attention_of_a_hidden_value(worst, found):
    q, k, v = torch.randn(3, 1, 1, 4, 8, generator=torch.Generator().manual_seed(0))
    v[..., 3, :] = worst
    for leaf in (q, k, v):
        leaf.requires_grad_()
    mask = torch.arange(4) != 3
    y = F.scaled_dot_product_attention(q, k, v, mask.expand(4, 4))
    y.backward(torch.ones_like(y))
    assert nans(y, q.grad, k.grad, v.grad) == list(map(bool, found))


def test_a_row_of_linear_that_no_gradient_reaches():
    x, weight = torch.tensor([[1.0], [NAN]]), torch.ones(1, 1, requires_grad=True)
    F.linear(x, weight).backward(torch.tensor([[1.0], [0.0]]))
    assert nans(weight.grad) == [True]


@pytest.mark.parametrize(
    ("logits", "targets", "options", "found"),
    [
        ([[1.0, 2], [NAN, NAN]], [0, -100], {}, [False, True]),
        ([[1.0, 2]], [-100], {}, [True, False]),
        ([[1.0, 2]], [0], {"weight": torch.tensor([0.0, 1])}, [True, True]),
        ([[-math.inf, 2]], [0], {"weight": torch.tensor([0.0, 1]), "reduction": "sum"},
         [True, False]),
        ([[-math.inf, 2]], [1], {"weight": torch.tensor([0.0, 1]), "label_smoothing": 0.1},
         [True, False]),
        ([[-math.inf, 2]], [1], {"weight": torch.tensor([0.0, 1])}, [False, False]),
    ],
)  # fmt: skip
def test_cross_entropy(logits, targets, options, found):
    x = torch.tensor(logits, requires_grad=True)
    loss = F.cross_entropy(x, torch.tensor(targets), **options)
    loss.backward()
    assert nans(loss, x.grad) == found


def test_the_loss_in_chunks_of_an_ignored_row_is_pytorchs():
    hidden, targets = torch.tensor([[1.0], [NAN]], requires_grad=True), torch.tensor([0, -100])
    for chunked in (True, False):
        hidden.grad, weight = None, torch.ones(2, 1, requires_grad=True)
        if chunked:
            loss = linear_cross_entropy(hidden, weight, targets, chunk=1)
        else:
            loss = F.cross_entropy(F.linear(hidden, weight), targets, reduction="sum")
        loss.backward()
        assert nans(loss, hidden.grad[:1], hidden.grad[1:], weight.grad) == [
            False,
            False,
            True,
            True,
        ]


def slopes(function, *at: float) -> list[float]:
    leaves = [torch.tensor(x, requires_grad=True) for x in at]
    function(*leaves).backward()
    return [leaf.grad.item() for leaf in leaves]


def test_kinks_by_version():
    for function, at in ((F.relu, 0.0), (F.relu6, 6.0), (F.hardtanh, 1.0), (torch.abs, 0.0)):
        assert slopes(function, at) == [0]
    for at in (-1.0, 1.0):
        assert slopes(lambda x: x.clamp(-1, 1), at) == [0 if SINCE_2_14 else 1]
    tie = [0.5, 0.5] if SINCE_2_14 else [1, 0]
    assert slopes(lambda x, b: torch.clamp(x, min=b), 0.0, 0.0) == tie
    assert slopes(torch.maximum, 0.0, 0.0) == [0.5, 0.5]
    assert slopes(lambda *x: torch.stack(x).max(), 2.0, 2.0) == [0.5, 0.5]
    assert slopes(lambda *x: torch.stack(x).amax(0), 2.0, 2.0) == [0.5, 0.5]
    assert slopes(lambda *x: torch.stack(x).max(0)[0], 2.0, 2.0) == [1, 0]


def clip(slope: float):
    """clamp to [-1, 1] with ``slope`` at the bounds."""

    def backward(dy, x):
        return dy * ((np.abs(x) < 1) + slope * (np.abs(x) == 1)).astype(dy.dtype)

    return lambda x: (np.clip(x, -1, 1), x), backward


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_the_checker_does_not_judge_a_kink(slope):
    at_bounds = [np.array([[-1.0, 0.5, 1.0, 3.0]])]
    assert check(clip(slope), at_bounds, against=lambda x: x.clamp(-1, 1), cases=4).passed
    with pytest.raises(VerifyError, match="could not be differentiated"):
        check(clip(slope), at_bounds, cases=4)
