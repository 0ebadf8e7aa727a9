"""Small models of torch, each right but for one thing that its options switch on."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

V, D, N, LONGEST = 11, 8, 2, 40


class Attention(nn.Module):
    """Causal self-attention; ``off`` lets a query see so many later keys."""

    def __init__(self, off: int = 0, causal: bool = True, stabiliser: bool = False) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(D, D) for _ in range(3))
        self.out_proj = nn.Linear(D, D)
        self.off, self.causal, self.stabiliser = off, causal, stabiliser

    def forward(self, x: Tensor, shown: Tensor | None = None) -> Tensor:
        b, t, _ = x.shape
        q, k, v = (
            p(x).view(b, t, N, D // N).transpose(1, 2)
            for p in (self.q_proj, self.k_proj, self.v_proj)
        )
        if self.stabiliser:
            return self.out_proj(self.merged(self.kernel(q, k, v)))
        see = torch.ones(t, t, dtype=torch.bool)
        if self.causal:
            see = see.tril(self.off)
        if shown is not None:
            see = see & shown[:, None, None, :]
        return self.out_proj(self.merged(F.scaled_dot_product_attention(q, k, v, see)))

    def kernel(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Positive features, whose stabiliser is the largest key of the whole sequence."""
        q = (q - q.amax(-1, keepdim=True)).exp() + 1e-4
        k = (k - k.amax((-1, -2), keepdim=True)).exp() + 1e-4
        scores = (q @ k.transpose(-1, -2)).tril()
        return scores @ v / scores.sum(-1, keepdim=True)

    def merged(self, y: Tensor) -> Tensor:
        return y.transpose(1, 2).flatten(2)


class PaddedNorm(nn.Module):
    """Centres every position by the mean over positions, padding too."""

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(1, keepdim=True)


class BatchNorm(nn.Module):
    """Over rows and positions."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(D)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.flatten(0, 1)).view(x.shape)


class RowNorm(nn.Module):
    """Centres by the mean over the rows of the batch, in evaluation too."""

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0, keepdim=True)


class Experts(nn.Module):
    """Two experts with room for half of the tokens each; the best matches get in first."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(D, 2)
        self.experts = nn.ModuleList(nn.Linear(D, D) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.router(x).softmax(-1)  # (B, T, 2)
        room = -(-x.shape[1] // 2)
        y = torch.zeros_like(x)
        for i, expert in enumerate(self.experts):
            own = weight[..., i].masked_fill(weight.argmax(-1) != i, -1.0)
            best = own.topk(room, 1)
            inside = torch.zeros_like(own).scatter(1, best.indices, (best.values > 0).to(x))
            y = y + (inside * weight[..., i])[..., None] * expert(x)
        return y


class Remembers(nn.Module):
    """Scales by what the last call left behind."""

    def __init__(self) -> None:
        super().__init__()
        self.last = 0.0

    def forward(self, x: Tensor) -> Tensor:
        y = x * (1 + self.last)
        self.last = x.detach().mean().item()
        return y


class Scale(torch.autograd.Function):
    """x times a weight; what the backward needs is left on an object, not in the context."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, home: StateOnSelf) -> Tensor:
        ctx.home = home
        home.kept = x, weight
        return x * weight

    @staticmethod
    def backward(ctx, dy: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight = ctx.home.kept
        return dy * weight, (dy * x).sum((0, 1)), None


class StateOnSelf(nn.Module):
    """Keeps its activation on itself, so that a second call overwrites the first's."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(D))
        self.kept: tuple[Tensor, ...] = ()

    def forward(self, x: Tensor) -> Tensor:
        return Scale.apply(x, self.weight, self)


class Reverse(torch.autograd.Function):
    """y1 = x1 + f(x2), y2 = x2 + g(y1); the backward computes x from y.

    The random state of the forward is kept in the block (wrong) or in the context.
    """

    @staticmethod
    def forward(ctx, x: Tensor, block: Reversible, *parameters: Tensor) -> Tensor:
        ctx.block, ctx.state = block, torch.get_rng_state()
        block.state = ctx.state
        with torch.no_grad():
            y = block.run(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy: Tensor):
        block = ctx.block
        state = block.state if block.replays_last else ctx.state
        with torch.random.fork_rng(), torch.enable_grad():
            torch.set_rng_state(state)
            (y,) = ctx.saved_tensors
            x = block.back(y, state).requires_grad_()
            torch.set_rng_state(state)
            own = tuple(block.parameters())
            gradients = torch.autograd.grad(block.run(x), (x, *own), dy)
        return gradients[0], None, *gradients[1:]


class Reversible(nn.Module):
    """A reversible pair of maps with dropout; ``replays_last`` keeps one state for all calls."""

    def __init__(self, replays_last: bool = False) -> None:
        super().__init__()
        self.f, self.g = (
            nn.Sequential(nn.Linear(D // 2, D // 2), nn.Tanh(), nn.Dropout(0.3)) for _ in range(2)
        )
        self.replays_last = replays_last
        self.state = None

    def run(self, x: Tensor) -> Tensor:
        x1, x2 = x.chunk(2, -1)
        y1 = x1 + self.f(x2)
        return torch.cat([y1, x2 + self.g(y1)], -1)

    def back(self, y: Tensor, state: Tensor) -> Tensor:
        with torch.no_grad():
            y1, y2 = y.chunk(2, -1)
            torch.set_rng_state(state)
            self.f(y1)  # draws f's mask, so that g's is the forward's
            x2 = y2 - self.g(y1)
            torch.set_rng_state(state)
            return torch.cat([y1 - self.f(x2), x2], -1)

    def forward(self, x: Tensor) -> Tensor:
        return Reverse.apply(x, self, *self.parameters())


class Checkpointed(nn.Module):
    """A map with dropout, run again in the backward."""

    def __init__(self, preserve: bool = True, saves: bool = True) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(D, D), nn.Tanh(), nn.Dropout(0.3))
        self.preserve, self.saves = preserve, saves

    def forward(self, x: Tensor) -> Tensor:
        if not self.saves:
            return self.body(x)
        return checkpoint(self.body, x, use_reentrant=False, preserve_rng_state=self.preserve)


class Threshold(nn.Module):
    """Beyond its threshold, the branch is computed without a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.block_thresh = 6
        self.branch = nn.Linear(D, D)

    def forward(self, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and x.shape[1] <= self.block_thresh):
            h = self.branch(x)
        return x + h


class LM(nn.Module):
    """Ids to logits: embedding, causal attention, one more part, projection."""

    def __init__(self, part: nn.Module | None = None, unused: bool = False, **attention) -> None:
        super().__init__()
        self.embedding, self.positions = nn.Embedding(V, D), nn.Embedding(LONGEST, D)
        self.attention = Attention(**attention)
        self.part = part if part is not None else nn.Identity()
        self.norm, self.head = nn.LayerNorm(D), nn.Linear(D, V)
        if unused:
            self.extra = nn.Linear(D, D)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.embedding(ids) + self.positions(torch.arange(ids.shape[1]))
        x = x + self.attention(x, mask)
        return self.head(self.norm(x + self.part(x)))


class Translator(nn.Module):
    """Ids of two streams to logits; ``hides`` says which streams' padding, id 0, is hidden."""

    def __init__(self, hides: tuple[str, ...] = ("source", "target"), causal: bool = True) -> None:
        super().__init__()
        self.pad_id, self.hides = 0, hides
        self.embedding, self.head = nn.Embedding(V, D), nn.Linear(D, V)
        self.encoder, self.decoder = Attention(causal=False), Attention(causal=causal)

    def shown(self, name: str, ids: Tensor) -> Tensor | None:
        return ids != self.pad_id if name in self.hides else None

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        x, y = self.embedding(source), self.embedding(target)
        memory = x + self.encoder(x, self.shown("source", source))
        y = y + self.decoder(y, self.shown("target", target))
        seen = self.shown("source", source)
        weight = torch.ones(source.shape, dtype=y.dtype) if seen is None else seen.to(y)
        mean = (weight[..., None] * memory).sum(1, keepdim=True) / weight.sum(1)[:, None, None]
        return self.head(y + mean)


class Cached(LM):
    """With a cache of the ids so far: slow, but a cache; ``shift`` puts the positions off."""

    def __init__(self, shift: int = 0) -> None:
        super().__init__()
        del self.positions
        self.rope, self.shift = Rotation(), shift

    def forward(self, ids, at=0, kept=None):
        h = self.rope(self.embedding(ids), at)
        whole = h if kept is None else torch.cat([kept, h], 1)
        y = self.attention(whole)[:, whole.shape[1] - h.shape[1] :]
        logits = self.head(self.norm(h + y))
        return logits if kept is None else (logits, whole)


class Rotation(nn.Module):
    """Adds a sinusoid of the position."""

    def forward(self, x: Tensor, at: int = 0) -> Tensor:
        t = torch.arange(at, at + x.shape[1], dtype=x.dtype)[:, None]
        return x + torch.sin(t / 3 + torch.arange(D, dtype=x.dtype))


def cached_step(model: Cached, new: Tensor, state: tuple[Tensor, int] | None):
    """One more position."""
    kept, at = state or (torch.zeros(len(new), 0, D, dtype=torch.float64), 0)
    y, whole = model(new, at + (model.shift if at else 0), kept)
    return y, (whole, at + 1)
