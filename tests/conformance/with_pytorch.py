"""PyTorch's answers: its functions, ``scaled_dot_product_attention`` by backend, and its layers."""

from __future__ import annotations

import inspect

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from tests.conformance import questions as ask
from tests.conformance.answers import Answers, own_masks, pairs, tried

BACKENDS = {"math": SDPBackend.MATH, "flash": SDPBackend.FLASH_ATTENTION}


def tensor(numbers, dtype=torch.float32):
    return torch.tensor(numbers, dtype=dtype, requires_grad=True)


def heads(numbers):
    return torch.tensor(numbers).reshape(1, 1, -1, 1).requires_grad_()  # (B, N, T, H)


def slope(function, x):
    x = tensor(x)
    function(x).sum().backward()
    return x.grad


def by_number(number):
    return torch.where(torch.tensor(ask.HIDDEN_SEEN), 0.0, number)


MASKS = {
    "hidden by a boolean mask": torch.tensor(ask.HIDDEN_SEEN),
    "hidden by -inf": by_number(-torch.inf),
    "hidden by the lowest number": by_number(ask.LOWEST),
}


def fused(found):
    for name, backend in BACKENDS.items():
        who = f"`scaled_dot_product_attention`, {name}"

        def attend(*inputs, backend=backend, **options):
            with sdpa_kernel(backend):
                return F.scaled_dot_product_attention(*inputs, **options)

        def hidden(mask, attend=attend):
            q, k, v = map(heads, (ask.HIDDEN_Q, ask.HIDDEN_K, ask.HIDDEN_V))
            y = attend(q, k, v, attn_mask=mask)
            y.backward(heads(ask.HIDDEN_DY))
            return y[0, 0, 0], q.grad[0, 0, 0], k.grad, v.grad

        def causal(attend=attend):
            for (t, _), numbers in ask.CAUSAL_V.items():
                v = heads(numbers)
                y = attend(heads([0.0] * t), torch.zeros_like(v), v, is_causal=True)
                y.sum().backward()
                yield from (y, v.grad)

        for question, mask in MASKS.items():
            found.add(question, who, lambda mask=mask, hidden=hidden: hidden(mask))
        found.add("causal", who, causal)

    def dropped():
        zeros = torch.zeros(ask.DROP_B, ask.DROP_N, ask.DROP_T, ask.DROP_T)
        v = torch.eye(ask.DROP_T).expand_as(zeros).clone().requires_grad_()
        y = F.scaled_dot_product_attention(zeros, zeros, v, dropout_p=ask.DROP_P)
        dy = torch.eye(ask.DROP_T).expand_as(zeros)
        y.backward(dy)  # dv = (weights after dropout)^T
        return own_masks(y.tolist()), y.max() * ask.DROP_T, _yes(torch.equal(v.grad.mT, y))

    found.add("dropout", "`scaled_dot_product_attention`", dropped)


def _yes(true):
    return "yes" if true else "no"


def layer(**options):
    """``nn.MultiheadAttention`` whose projections change nothing, and whose output bias is 0.5.

    Two heads of size 1, for with an odd number of heads there is no fast path.
    """
    made = torch.nn.MultiheadAttention(2, 2, batch_first=True, **options)
    with torch.no_grad():
        made.in_proj_weight.copy_(torch.eye(2).repeat(3, 1))
        made.out_proj.weight.copy_(torch.eye(2))
        made.out_proj.bias.fill_(0.5)
    return made


def twice(numbers):
    """(B, T, D) with the same numbers for both heads."""
    return torch.tensor(numbers).reshape(1, -1, 1).repeat(1, 1, 2)


def _hides(mask):
    """The layer's boolean masks are True where a key is hidden."""
    return ~mask if mask.dtype == torch.bool else mask


def multihead(found):
    def hidden(mask, training, need_weights):
        made = layer().train(training)
        q, k, v = (twice(x).requires_grad_() for x in (ask.HIDDEN_Q, ask.HIDDEN_K, ask.HIDDEN_V))
        y, _ = made(q, k, v, attn_mask=_hides(mask), need_weights=need_weights)
        y.backward(twice(ask.HIDDEN_DY))
        return y[0, 0, 0], q.grad[0, 0, 0], k.grad[..., 0], v.grad[..., 0]

    def fast(mask):
        """Self-attention in evaluation without gradients, where PyTorch takes another path."""
        made, x = layer().eval(), twice(ask.HIDDEN_V)
        with torch.no_grad():
            y, _ = made(x, x, x, attn_mask=_hides(mask), need_weights=False)
        return y[0, 0, 0], None, None, None

    name = "`nn.MultiheadAttention`"
    for question, mask in MASKS.items():
        for training, need in ((True, True), (True, False), (False, True), (False, False)):
            mode = "training" if training else "evaluation"
            with_weights = ", need_weights=True" if need else ""
            found.add(
                question,
                f"{name}, {mode}{with_weights}",
                lambda m=mask, t=training, n=need: hidden(m, t, n),
            )
        who = f"{name}, evaluation without gradients"
        found.add(question, who, lambda m=mask: fast(m))

    def dropped():
        made = layer(dropout=ask.DROP_P).train()
        x = torch.zeros(ask.DROP_B, ask.DROP_T, 2)
        _, weights = made(x, x, x, need_weights=True, average_attn_weights=False)
        return own_masks(weights.tolist()), weights.max() * ask.DROP_T, None

    found.add("dropout", f"{name}, the weights that it returns", dropped)


def norms(found):
    found.add(
        "gelu", "`gelu`", lambda: (F.gelu(torch.tensor(ask.GELU_X)), slope(F.gelu, ask.GELU_X))
    )

    def default(function):
        eps = inspect.signature(function).parameters["eps"].default
        return "None" if eps is None else f"{eps:g}"

    def norm(function, *more):
        x = tensor(ask.NORM_X)
        y = function(x, (2,))
        y.backward(torch.tensor(ask.NORM_DY))
        half = tried(lambda: function(tensor(ask.NORM_HALF, torch.float16), (2,)))
        return (default(function), y, x.grad, *(function(tensor(m), (2,)) for m in more), half)

    found.add("layer norm", "`layer_norm`", lambda: norm(F.layer_norm, ask.NORM_FAR))
    found.add("rms norm", "`rms_norm`", lambda: norm(F.rms_norm))


def losses(found):
    def loss(label, **settings):
        logits = tensor([ask.LOGITS])
        value = F.cross_entropy(logits, torch.tensor([label]), **settings)
        value.backward()
        return value, logits.grad

    def smoothed():
        value, dlogits = loss(ask.TARGET, label_smoothing=ask.SMOOTHING)
        return value, dlogits, torch.tensor([ask.LOGITS]).softmax(-1) - dlogits

    who = "`cross_entropy`"
    found.add("smoothing", who, smoothed)
    found.add("all ignored", who, lambda: loss(ask.IGNORED))
    found.add("no weight", who, lambda: loss(ask.TARGET, weight=torch.tensor(ask.NO_WEIGHT)))
    found.add("outside", who, lambda: pairs(loss, ask.OUTSIDE))


def kinks(found):
    def ties(along):
        a, b = tensor(2.0), tensor(2.0)
        torch.maximum(a, b).backward()
        largest = slope(lambda x: x.topk(1).values, ask.TIES)
        return slope(torch.max, ask.TIES), slope(along, ask.TIES), largest, (a.grad, b.grad)

    found.add("ties", "`max`, `max(dim)`", lambda: ties(lambda x: x.max(0).values))
    found.add("ties", "`max`, `amax(dim)`", lambda: ties(lambda x: x.amax(0)))
    found.add(
        "kinks",
        "`relu`, `abs`, `clamp`, `relu6`",
        lambda: (
            slope(torch.relu, [0.0]),
            slope(torch.abs, [0.0]),
            slope(lambda x: x.clamp(-1, 1), [-1.0, 1.0]),
            slope(F.relu6, [0.0, 6.0]),
        ),
    )


if __name__ == "__main__":
    torch.manual_seed(0)
    found = Answers()
    for part in (fused, multihead, norms, losses, kinks):
        part(found)
    found.print("torch")
