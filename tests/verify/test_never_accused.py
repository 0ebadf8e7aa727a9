"""Right functions of many shapes are not accused; the profile ``deep`` looks at 100,000 cases."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import settings

from npformer import ops
from npformer.verify import WithVJP, check
from tests.exhaustive import QUICK
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


def one_pass_variance(x):
    return (x * x).mean(-1) - x.mean(-1) ** 2


def reordered(x, w):
    return sum(x[..., i::3] @ w[i::3] for i in range(3))


def online_softmax(x):
    """In blocks of 2, with a running maximum, as kernels do."""
    largest, total = x[..., :1], torch.ones_like(x[..., :1])
    for block in x[..., 1:].split(2, -1):
        higher = torch.maximum(largest, block.amax(-1, keepdim=True))
        total = total * (largest - higher).exp() + (block - higher).exp().sum(-1, keepdim=True)
        largest = higher
    return (x - largest).exp() / total


def tiled_attention(q, k, v):
    o, total, largest = 0, 0, torch.full((*q.shape[:-1], 1), -torch.inf, dtype=q.dtype)
    for keys, values in zip(k.split(2, -2), v.split(2, -2), strict=True):
        s = q @ keys.transpose(-1, -2) / q.shape[-1] ** 0.5
        higher = torch.maximum(largest, s.amax(-1, keepdim=True))
        e, fade = (s - higher).exp(), (largest - higher).exp()
        total, o, largest = total * fade + e.sum(-1, keepdim=True), o * fade + e @ values, higher
    return o / total


def rotary(x, sign=1.0):
    t, half = x.shape[-2], x.shape[-1] // 2
    angle = torch.arange(t, dtype=x.dtype)[:, None] / 10.0 ** torch.arange(half, dtype=x.dtype)
    a, b, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    c, s = angle.cos(), sign * angle.sin()
    return torch.cat([a * c - b * s, a * s + b * c, rest], -1)


ROTARY = WithVJP(rotary, lambda dy, x: rotary(dy, -1.0))


def running_sum(dy, x):
    return np.cumsum(dy[..., ::-1], -1)[..., ::-1]


def sum_of(x):
    return x.sum(-1)


def spread(dy, x):
    return np.broadcast_to(dy[..., None], x.shape).copy()


def huber(x):
    return F.huber_loss(x, torch.zeros_like(x), reduction="none")


def straight_through(dy, x, w):
    return dy @ w.T, x.reshape(-1, x.shape[-1]).T @ dy.reshape(-1, dy.shape[-1])


def even_only(x):
    if x.shape[-1] % 2:
        raise ValueError("the last size must be even")
    a, b = x.chunk(2, -1)
    return a * torch.sigmoid(b)


def log_of(x):
    if not (x > 0).all():
        raise ValueError("x must be positive")
    return torch.log(x)


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
    "exp, which overflows": (WithVJP(np.exp, lambda dy, x: dy * np.exp(x)), "bt"),
    "cosh of tensors": (torch.cosh, "bt"),
    "sinh": (WithVJP(np.sinh, lambda dy, x: dy * np.cosh(x)), "bt"),
    "a cube of 1e6 x": (WithVJP(lambda x: (1e6 * x) ** 3, lambda dy, x: dy * 3e18 * x * x), "bt"),
    "1e-8 x": (WithVJP(lambda x: 1e-8 * x, lambda dy, x: 1e-8 * dy), "bt"),
    "root of |x|": (lambda x: x.abs().sqrt(), "bt"),
    "variance in one pass": (one_pass_variance, "btd"),
    "running sum": (WithVJP(lambda x: np.cumsum(x, -1), running_sum), "bt"),
    "running product": (lambda x: x.cumprod(-1), "bt"),
    "rotary positions": (ROTARY, "bth"),
    "a gated half, of even sizes": (even_only, "bt"),
    "logarithm, which refuses what is not positive": (log_of, "t"),
    "GELU by tanh": (lambda x: F.gelu(x, approximate="tanh"), "btd"),
    "Mish": (F.mish, "btd"),
    "Huber's loss": (huber, "bt"),
    "ELU": (F.elu, "bt"),
    "arctangent": (torch.atan, "bt"),
    "angle of a point": (torch.atan2, "bt, bt"),
    "determinant": (lambda x: torch.linalg.det(x.mT @ x + torch.eye(x.shape[-1])), "b3d"),
    "distance": (lambda x, y: torch.cdist(x, y), "bd, sd"),
    "a convolution": (lambda x, w: F.conv1d(x[None], w, padding=1)[0], "ct, oc3"),
    "average pooling": (lambda x: F.avg_pool1d(x, 2, ceil_mode=True), "bct"),
    "largest of 2": (lambda x: F.max_pool1d(x, 2, ceil_mode=True), "bct"),
    "group norm": (lambda x: F.group_norm(x, 2), "b4t"),
    "RMS norm": (rms_norm, "btd, d"),
    "cosine of an angle": (lambda x, y: F.cosine_similarity(x, y, -1), "bd, bd"),
    "a recurrent cell": (torch.nn.GRUCell(3, 4), "b3, b4"),
    "an embedding's mean": (lambda w: w[[0, 0]].mean(0), "vd"),
    "a scalar": (lambda x, s: x * s, "bt, ."),
    "a scalar of a scalar": (lambda s: s * s, "."),
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
    "variance that cancels": (variance, "bt", one_pass_variance),
    "variance in one pass": (one_pass_variance, "bt", variance),
    "tanh, a forward alone": (torch.tanh, "bt", np.tanh),
    "softmax in blocks": (online_softmax, "bt", softmax),
    "attention in tiles": (tiled_attention, "bth, bsh, bse", F.scaled_dot_product_attention),
    "a product in another order": (reordered, "bi, io", lambda x, w: x @ w),
    "a product by hand": (WithVJP(np.matmul, straight_through), "bti, io", np.matmul),
    "SwiGLU": (lambda e, g: e * torch.sigmoid(e) * g, "bd, bd", lambda e, g: F.silu(e) * g),
    "a sum": (WithVJP(sum_of, spread), "bt", lambda x: x.sum(-1)),
    "exp": (WithVJP(np.exp, lambda dy, x: dy * np.exp(x)), "bt", torch.exp),
    "floor": (WithVJP(np.floor, lambda dy, x: 0 * dy), "bt", torch.floor),
    "distance by products": (
        lambda x, y: (x * x).sum(-1)[:, None] - 2 * x @ y.T + (y * y).sum(-1),
        "bd, sd",
        lambda x, y: ((x[:, None] - y) ** 2).sum(-1),
    ),
    "two outputs": (
        lambda x, w: (x + w, (x + w) * torch.rsqrt(((x + w) ** 2).mean(-1, keepdim=True) + 1e-6)),
        "bd, bd",
        lambda x, w: (x + w, F.rms_norm(x + w, x.shape[-1:], None, 1e-6)),
    ),
}
FLOAT32 = {
    "in bfloat16 inside": (
        lambda x, w: (x.bfloat16() @ w.bfloat16()).to(x.dtype),
        "bi, io",
        lambda x, w: x @ w,
    ),
    "in float16 inside": (
        lambda x, w: (x.half() * w.half()).sum(0).to(x.dtype),
        "bt, bt",
        lambda x, w: (x * w).sum(0),
    ),
    "of float32 alone": (
        lambda x, w: F.layer_norm(x.float(), x.shape[-1:], w.float()).to(x.dtype),
        "btd, d",
        lambda x, w: F.layer_norm(x, x.shape[-1:], w),
    ),
}


def cases() -> int:
    """Of each function in each precision; in CI half as many as in ``make test``."""
    return (1 if QUICK else 2) * settings.default.max_examples


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


@pytest.mark.parametrize("name", FLOAT32)
def test_a_kernel_of_one_precision_is_not_accused(name):
    function, inputs, against = FLOAT32[name]
    result = check(function, inputs, against=against, cases=cases(), seed=1, dtypes="float32")
    assert result, result


@pytest.mark.parametrize("x", [-5.3, -6.87, -7.9])
def test_the_digits_that_a_reference_loses_everywhere_are_not_asked_for(x):
    """In the left tail ``F.gelu`` is 1 + erf: of one number alone, no other entry shows it."""
    gelu = (ops.gelu_forward, ops.gelu_backward)
    assert check(gelu, [np.full((2, 3), x)], against=F.gelu)

    def rough(x):  # noise that no precision of the reference has
        return F.silu(x) * (1 + 1e-9 * torch.sin(1e6 * x).detach())

    assert not check(rough, [np.full((2, 3), x)], against=F.silu, shrink=False)
