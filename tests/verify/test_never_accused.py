"""Right functions of many shapes are not accused; the profile ``deep`` looks at 100,000 cases."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import settings

from npformer import ops
from npformer.verify import WithVJP, check
from tests.verify.functions import LAYER_NORM, Swish, linear, linear_vjp, reference_layer_norm


def composed_layer_norm(x, weight, bias):
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) * torch.rsqrt(variance + 1e-5) * weight + bias


def attention(q, k, v):
    y = F.scaled_dot_product_attention(*(a.transpose(1, 2) for a in (q, k, v)))
    return y.transpose(1, 2)


def rms_norm(x, weight):
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-6) * weight


def variance(x):
    return x.var(-1, correction=0)


def softmax(x):
    return torch.softmax(x, -1)


OWN = {
    "softplus": (F.softplus, "btd"),
    "ReLU, which has a kink": (torch.relu, "btd"),
    "clamp, which has two": (lambda x: x.clamp(-1, 1), "bt"),
    "maximum, with ties": (lambda x: x.amax(-1), "bt"),
    "sorting, with ties": (lambda x: torch.sort(x).values, "bt"),
    "norm, which has a point": (lambda x: x.norm(dim=-1), "bt"),
    "normalisation": (lambda x: F.normalize(x, dim=-1), "bt"),
    "log of a sum of exponentials": (lambda x: torch.logsumexp(x, -1), "btd"),
    "a loss": (lambda x, y: ((x - y) ** 2).mean(), "bt, bt"),
    "a three-way product": (lambda x, w, y: torch.einsum("bi,oij,bj->bo", x, w, y), "bi, oij, bj"),
    "dropout": (lambda x: F.dropout(x, 0.3), "btd"),
    "attention": (attention, "btnh, bsnh, bsnh"),
    "layer norm": (composed_layer_norm, "btd, d, d"),
    "a pair": ((ops.softmax_forward, ops.softmax_backward), "btd"),
    "a module": (torch.nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), "bt4"),
}
AGAINST = {
    "SiLU": (Swish, "btd", F.silu),
    "linear": (WithVJP(linear, linear_vjp), "bi, oi", F.linear),
    "softmax": ((ops.softmax_forward, ops.softmax_backward), "btd", softmax),
    "GELU, whose tails PyTorch loses": ((ops.gelu_forward, ops.gelu_backward), "btd", F.gelu),
    "attention": ((ops.attention_forward, ops.attention_backward), "btnh, bsnh, bsnh", attention),
    "layer norm of arrays": (LAYER_NORM, "btd, d, d", reference_layer_norm),
    "layer norm of tensors": (reference_layer_norm, "btd, d, d", LAYER_NORM),
    "layer norm, composed": (composed_layer_norm, "btd, d, d", reference_layer_norm),
    "RMS norm": (lambda x, w: F.rms_norm(x, w.shape, w, 1e-6), "btd, d", rms_norm),
    "variance": (variance, "bt", lambda x: ((x - x.mean(-1, keepdim=True)) ** 2).mean(-1)),
    "variance that cancels": (variance, "bt", lambda x: (x * x).mean(-1) - x.mean(-1) ** 2),
    "tanh, a forward alone": (torch.tanh, "bt", np.tanh),
}


def cases() -> int:
    return 2 * settings.default.max_examples


@pytest.mark.parametrize("name", OWN)
def test_a_right_gradient_is_not_accused_by_its_own_forward(name):
    function, inputs = OWN[name]
    result = check(function, inputs, cases=cases(), seed=1)
    assert result, result


@pytest.mark.parametrize("name", AGAINST)
def test_a_right_gradient_is_not_accused_by_another_right_one(name):
    function, inputs, against = AGAINST[name]
    result = check(function, inputs, against=against, cases=cases(), seed=1)
    assert result, result
