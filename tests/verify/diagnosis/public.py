"""Public mistakes in functions as people write them: kernel-style Functions, modules, two outputs.

    python -m tests.verify.diagnosis.public     the table of docs/checking_your_own.md

None was at hand when the diagnoses were written. Most are rebuilt in our own words from a report.
``says`` has words of a right first diagnosis, as it is given; empty where there is none.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from npformer.verify import check


@dataclass(frozen=True)
class Public:
    """A function with a reported mistake, and the same without."""

    source: str
    subject: Any
    inputs: str
    against: Any
    wrong: tuple[str, ...]
    """The results that are wrong."""
    says: str = ""
    """What the first diagnosis has in it, if that is right."""
    where: str = ""
    """What it has if it says in which entries or cases, and not what is wrong."""


def kernel(forward: Any, backward: Any, name: str) -> Any:
    """A Function of ``outputs, saved = forward(*tensors)`` and ``backward(saved, *dys)``."""

    def run(ctx: Any, *tensors: Any) -> Any:
        outputs, saved = forward(*tensors)
        ctx.save_for_backward(*saved)
        return outputs

    first = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = inspect.signature(forward).parameters.values()
    run.__signature__ = inspect.Signature([first, *named])  # type: ignore[attr-defined]
    return type(
        name,
        (torch.autograd.Function,),
        {
            "forward": staticmethod(run),
            "backward": staticmethod(lambda ctx, *dys: backward(ctx.saved_tensors, *dys)),
        },
    )


def rows(a: Any) -> tuple[int, ...]:
    return tuple(range(a.ndim - 1))


# ---------------------------------------------------------------- norms


def rms(X, G):
    rstd = torch.rsqrt((X * X).mean(-1, keepdim=True) + 1e-6)
    return X * rstd * G, (X, rstd, G)


def rms_reference(X, G):
    return F.rms_norm(X, G.shape, G, 1e-6)


def rms_weight_twice(saved, dY):
    X, rstd, G = saved
    h, g = X * rstd, dY * G * G
    return rstd * (g - h * (g * h).mean(-1, keepdim=True)), (dY * h).sum(rows(X))


def rms_weight_forgotten(saved, dY):
    X, rstd, G = saved
    h = X * rstd
    return rstd * (dY - h * (dY * h).mean(-1, keepdim=True)), (dY * h).sum(rows(X))


def rms_in_place(saved, dY):
    X, rstd, G = saved
    h = X * rstd
    dG = (dY * h).sum(rows(X))
    dY *= G
    return rstd * (dY - h * (dY * h).mean(-1, keepdim=True)), dG


def add_norm(X, residual, G):
    total = X + residual
    y, saved = rms(total, G)
    return (y, total), saved


def add_norm_reference(X, residual, G):
    return rms_reference(X + residual, G), X + residual


def add_norm_before(saved, dY, dtotal):
    X, rstd, G = saved
    h, g = X * rstd, (dY + dtotal) * G
    dX = rstd * (g - h * (g * h).mean(-1, keepdim=True))
    return dX, dX, (dY * h).sum(rows(X))


def add_norm_one_output(saved, dY, dtotal):
    X, rstd, G = saved
    h, g = X * rstd, dY * G
    dX = rstd * (g - h * (g * h).mean(-1, keepdim=True))
    return dX, dX, (dY * h).sum(rows(X))


# ---------------------------------------------------------------- gates


def swiglu(gate, up):
    return F.silu(gate) * up, (gate, up)


def swiglu_exchanged(saved, dY):
    gate, up = saved
    s = torch.sigmoid(gate)
    return dY * gate * s, dY * up * s * (1 + gate * (1 - s))


def clamped(gate, up):
    g, u = gate.clamp(max=1.0), up.clamp(-1.0, 1.0)
    return g * torch.sigmoid(1.702 * g) * (u + 1), (gate, up)


def clamped_reference(gate, up):
    return clamped(gate, up)[0]


def clamp_mask_lost(saved, dY):
    gate, up = saved
    g, u = gate.clamp(max=1.0), up.clamp(-1.0, 1.0)
    s = torch.sigmoid(1.702 * g)
    return dY * (u + 1) * s * (1 + 1.702 * g * (1 - s)), dY * g * s


# ---------------------------------------------------------------- attention


def turned(X, sign=1.0):
    t, half = X.shape[-2], X.shape[-1] // 2
    angle = torch.arange(t, dtype=X.dtype)[:, None] * 0.5 ** torch.arange(half, dtype=X.dtype)
    a, b = X.chunk(2, -1)
    c, s = angle.cos(), sign * angle.sin()
    return torch.cat([a * c - b * s, a * s + b * c], -1)


def grouped(Q, K, V):
    """Q (B, 4, T, H), K and V (B, 2, S, H)."""
    k, v = (a.repeat_interleave(2, 1) for a in (K, V))
    p = torch.softmax(Q @ k.mT / Q.shape[-1] ** 0.5, -1)
    return p @ v, (Q, K, V, p)


def first_of_each_group(saved, dO):
    Q, K, V, p = saved
    k, v = (a.repeat_interleave(2, 1) for a in (K, V))
    dp = dO @ v.mT
    ds = p * (dp - (dp * p).sum(-1, keepdim=True)) / Q.shape[-1] ** 0.5
    return ds @ k, (ds.mT @ Q)[:, ::2].contiguous(), (p.mT @ dO)[:, ::2].contiguous()


def with_lse(Q, K, V):
    scores = Q @ K.mT / Q.shape[-1] ** 0.5
    lse = torch.logsumexp(scores, -1)
    p = (scores - lse[..., None]).exp()
    return (p @ V, lse), (Q, K, V, p)


def lse_ignored(saved, dO, dlse):
    Q, K, V, p = saved
    dp = dO @ V.mT
    ds = p * (dp - (dp * p).sum(-1, keepdim=True)) / Q.shape[-1] ** 0.5
    return ds @ K, ds.mT @ Q, p.mT @ dO


def sink(scores, bias):
    """scores (B, N, T), a sink for each of the N heads that takes part and is left out."""
    e = torch.cat([scores, bias[:, None].expand(*scores.shape[:-1], 1)], -1)
    p = torch.softmax(e, -1)
    return p[..., :-1], (p,)


def sink_sign(saved, dY):
    (p,) = saved
    inner = (dY * p[..., :-1]).sum(-1, keepdim=True)
    return p[..., :-1] * (dY - inner), (p[..., -1:] * inner).sum((0, 2))


def capped(scores):
    return 5 * torch.tanh(scores / 5), (scores,)


def cap_forgotten(saved, dY):
    return dY.clone()


# ---------------------------------------------------------------- losses


def loss_of_rows(logits, target):
    logp = torch.log_softmax(logits, -1)
    return -logp.gather(-1, target[:, None])[:, 0], (logp, target)


def rows_reference(logits, target):
    return F.cross_entropy(logits, target, reduction="none")


def first_row_s_dy(saved, dY):
    logp, target = saved
    d = logp.exp()
    d[torch.arange(len(target)), target] -= 1
    return d * dY[0], None


def with_z(logits, target):
    lse = torch.logsumexp(logits, -1)
    loss = lse - logits.gather(-1, target[:, None])[:, 0] + 0.1 * lse**2
    return loss, (logits, lse, target)


def without_z(saved, dY):
    logits, lse, target = saved
    d = (logits - lse[:, None]).exp()
    d[torch.arange(len(target)), target] -= 1
    return d * dY[:, None], None


def kl(student, teacher):
    logp, logq = torch.log_softmax(student, -1), torch.log_softmax(teacher, -1)
    return (logq.exp() * (logq - logp)).sum(-1), (logp, logq)


def kl_sign(saved, dY):
    logp, logq = saved
    p, q, d = logp.exp(), logq.exp(), dY[..., None]
    off = logq - logp
    return d * (q - p), d * q * (off - (q * off).sum(-1, keepdim=True))


def mean_by_rows(x, y):
    return ((x - y) ** 2).mean(), (x, y)


def divided_by_rows(saved, dY):
    x, y = saved
    d = 2 * (x - y) / len(x) * dY
    return d, -d


# ---------------------------------------------------------------- the rest


def lora(X, A, B):
    return 2.0 * (X @ A @ B), (X, A, B)


def lora_twice(saved, dY):
    X, A, B = saved
    x, d = X.flatten(0, -2), dY.flatten(0, -2)
    return 2.0 * dY @ B.T @ A.T, 4.0 * x.T @ (d @ B.T), 2.0 * (x @ A).T @ d


def largest_constant(X):
    top = X.abs().amax(-1, keepdim=True) + 1.0
    return X / top, (top,)


def largest_is_constant(saved, dY):
    return dY / saved[0]


def recurrence(X, decay):
    """h_t = decay_t h_(t-1) + x_t over the last axis."""
    h, states = torch.zeros_like(X[..., 0]), []
    for t in range(X.shape[-1]):
        h = decay[..., t] * h + X[..., t]
        states.append(h)
    return torch.stack(states, -1), (torch.stack(states, -1), decay)


def recurrence_branch_missing(saved, dY):
    """The decay's gradient counts the output of its own step alone, not those that come after."""
    states, decay = saved
    before = F.pad(states[..., :-1], (1, 0))
    carry, found = torch.zeros_like(dY[..., 0]), []
    for t in reversed(range(dY.shape[-1])):
        carry = dY[..., t] + (decay[..., t + 1] * carry if t + 1 < dY.shape[-1] else 0)
        found.append(carry)
    return torch.stack(found[::-1], -1), dY * before


def dropped(X, mask):
    return X * mask * 2.0, (mask,)


def mask_forgotten(saved, dY):
    return dY * 2.0, None


def biased(X, W, bias):
    return X @ W + bias, (X, W)


def bias_of_one_row(saved, dY):
    X, W = saved
    return dY @ W.T, X.T @ dY, dY[0].clone()


class Biased(torch.nn.Module):
    """A layer around a Function, as a library wraps its kernel."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.linspace(-1, 1, 12).reshape(4, 3))
        self.bias = torch.nn.Parameter(torch.tensor([0.5, -0.2, 0.1]))
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x, self.weight, self.bias)


class Tied(torch.nn.Module):
    """A table used on the way in and out; ``halved`` loses one of the two paths."""

    def __init__(self, halved: bool) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(torch.linspace(-1, 1, 15).reshape(5, 3))
        self.halved = halved

    def forward(self, x: Any) -> Any:
        inner = x @ (self.table.detach() if self.halved else self.table)
        return torch.tanh(inner) @ self.table.T


def gelu(X):
    return F.gelu(X, approximate="tanh"), (X,)


def gelu_of_the_exact_form(saved, dY):
    (X,) = saved
    density = torch.exp(-X * X / 2) / (2 * torch.pi) ** 0.5
    return dY * ((1 + torch.erf(X / 2**0.5)) / 2 + X * density)


def log_softmax(X):
    y = torch.log_softmax(X, -1)
    return y, (y,)


def log_softmax_added(saved, dY):
    return dY + saved[0].exp()


def layer_norm(X, gamma, beta):
    rstd = torch.rsqrt(X.var(-1, correction=0, keepdim=True) + 1e-5)
    h = (X - X.mean(-1, keepdim=True)) * rstd
    return h * gamma + beta, (h, rstd, gamma)


def layer_norm_exchanged(saved, dY):
    h, rstd, gamma = saved
    g = dY * gamma
    dX = rstd * (g - g.mean(-1, keepdim=True) - h * (g * h).mean(-1, keepdim=True))
    return dX, dY.sum(rows(dY)), (dY * h).sum(rows(dY))


def logistic(X):
    return torch.sigmoid(X), (X,)


def slope_of_the_input(saved, dY):
    (X,) = saved
    return dY * X * (1 - X)


def plain(forward: Any) -> Any:
    return functools.wraps(forward)(lambda *tensors: forward(*tensors)[0])


def of(source, name, forward, backward, inputs, wrong, says="", where="", against=None):
    subject = kernel(forward, backward, name)
    against = against or plain(forward)
    return Public(source, subject, inputs, against, tuple(wrong.split()), says, where)


OURS = ""
"""In place of a report: a mistake that comes to mind."""
PUBLIC = {
    "RMS norm, weight applied twice": of(
        "NVIDIA/Megatron-LM#6859", "FusedRMS", rms, rms_weight_twice, "btd, d", "dX",
        against=rms_reference),
    "RMS norm, weight forgotten": of(
        "karpathy/llm.c#763", "RMSKernel", rms, rms_weight_forgotten, "btd, d", "dX",
        "the weight is left out of dx", against=rms_reference),
    "RMS norm, dy written to": of(
        "unslothai/unsloth#4550", "FastRMS", rms, rms_in_place, "btd, d", "dy",
        "wrote to dy", against=rms_reference),
    "add and norm, the sum's share too early": of(
        "Dao-AILab/quack#53", "AddNorm", add_norm, add_norm_before, "bd, bd, d", "dX dresidual",
        against=add_norm_reference),
    "add and norm, the sum's share lost": of(
        "Dao-AILab/quack#53", "AddNormOnce", add_norm, add_norm_one_output, "bd, bd, d",
        "dX dresidual", "lack the share of dy1", against=add_norm_reference),
    "SwiGLU, gradients exchanged": of(
        "unslothai/unsloth#3314", "SwigluDG", swiglu, swiglu_exchanged, "bth, bth", "dgate dup",
        "in the wrong order"),
    "clamped SwiGLU, no mask of the clamps": of(
        "mlc-ai/pith-train#23", "ClampedGlu", clamped, clamp_mask_lost, "bth, bth", "dgate dup"),
    "rotary positions, turned forwards": of(
        OURS, "Rotate", lambda X: (turned(X), ()),
        lambda saved, dY: turned(dY), "bt4", "dX", "J dy where J^T dy belongs"),
    "rotary positions, no backward": of(
        "huggingface/candle#3612", "FusedRope", lambda X: (turned(X), ()),
        lambda saved, dY: torch.zeros_like(dY), "bt4", "dX", "dX is zero"),
    "grouped heads, dk and dv of one of them": of(
        "stanford-crfm/levanter#449", "GroupedAttention", grouped, first_of_each_group,
        "b4th, b2sh, b2sh", "dK dV"),
    "attention, the log-sum-exp's share lost": of(
        OURS, "AttentionLSE", with_lse, lse_ignored,
        "bth, bsh, bse", "dQ dK", "lack the share of dy1"),
    "attention's sink, wrong sign": of(
        OURS, "Sink", sink, sink_sign, "bnt, n", "dbias", "wrong sign"),
    "soft cap, not differentiated": of(
        "Dao-AILab/flash-attention#1065", "Softcap", capped, cap_forgotten, "bt", "dscores",
        "is dy itself"),
    "loss of each row, first dy for all": of(
        "linkedin/Liger-Kernel#1298", "RowLoss", loss_of_rows, first_row_s_dy, "nv, n:int<v",
        "dlogits", where="index 1 and later ones of axis 0", against=rows_reference),
    "z-loss left out": of(
        OURS, "ZLoss", with_z, without_z, "nv, n:int<v", "dlogits"),
    "divergence, wrong sign": of(
        "fla-org/flash-linear-attention#1076", "KL", kl, kl_sign, "bv, bv", "dstudent",
        "wrong sign"),
    "mean of all, divided by the rows": of(
        OURS, "MSE", mean_by_rows, divided_by_rows, "bt, bt",
        "dx dy", "off by the factor t"),
    "LoRA, scale applied twice": of(
        OURS, "Lora", lora, lora_twice, "btd, dr, re", "dA",
        "off by the factor 2"),
    "largest entry taken for a constant": of(
        "NVIDIA/Megatron-LM#4469", "MaxScale", largest_constant, largest_is_constant, "bt", "dX"),
    "recurrence, a branch of the decay missing": of(
        "fla-org/flash-linear-attention#862", "Recurrence", recurrence,
        recurrence_branch_missing, "bt, bt", "ddecay", where="of axis 1, and right elsewhere"),
    "dropout, mask forgotten": of(
        "ddbourgin/numpy-ml#94", "Dropout", dropped, mask_forgotten, "bt, bt:bool", "dX"),
    "bias of one row": of(
        "mlpack/mlpack#3679", "Affine", biased, bias_of_one_row, "bi, io, o", "dbias",
        "dy's first row alone"),
    "bias of one row, in a module": Public(
        "mlpack/mlpack#3679", Biased(kernel(biased, bias_of_one_row, "Layer").apply), "b4",
        Biased(plain(biased)), ("grad bias",), "dy's first row alone"),
    "GELU by tanh, slope of the exact form": of(
        "kulinseth/pytorch#284", "FastGelu", gelu, gelu_of_the_exact_form, "btd", "dX"),
    "log-softmax, exp(y) added": of(
        "mlpack/mlpack#2360", "LogSoftmax", log_softmax, log_softmax_added, "bv", "dX",
        "dx is dy + exp(y)"),
    "layer norm, dgamma and dbeta exchanged": of(
        "Oneflow-Inc/oneflow#6149", "LayerNormGrad", layer_norm, layer_norm_exchanged,
        "btd, d, d", "dgamma dbeta", "in the wrong order"),
    "logistic function, x (1 - x)": of(
        "BoltzmannEntropy/interviews.ai#15", "Logistic", logistic, slope_of_the_input, "bt", "dX",
        "x stands where y belongs"),
    "tied table, one of two paths lost": Public(
        "verl-project/verl#7834", Tied(True), "b5", Tied(False), ("grad table",)),
}  # fmt: skip


def main() -> None:
    """Print the table, measured, and how many were found and named."""
    found = named = 0
    print("| mistake | reported in | first diagnosis |\n| --- | --- | --- |")
    for name, public in PUBLIC.items():
        result = check(
            public.subject, public.inputs, against=public.against, cases=100, shrink=False
        )
        said = result.diagnoses[0].sentence if result.diagnoses else "none"
        found += set(public.wrong) <= set(result.wrong)
        named += bool(public.says) and public.says in said
        repository, _, number = public.source.partition("#")
        link = f"https://github.com/{repository}/issues/{number}"
        source = f"[{repository.split('/')[1]}#{number}]({link})" if number else "-"
        print(f"| {name} | {source} | {said.split(': all ')[0]} |", flush=True)
    print(f"\n{found} of {len(PUBLIC)} found, {named} named")


if __name__ == "__main__":
    main()
