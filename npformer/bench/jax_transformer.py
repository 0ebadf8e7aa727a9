"""The encoder-decoder in JAX, one jitted training step: a baseline of ``npformer bench``.

Written as a user of JAX would: a function of a dictionary of arrays, ``jax.value_and_grad`` and
Adam compiled together with it, and buffers donated, so that weights and moments are changed where
they are. Names and shapes of the weights are those of the NumPy model.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from npformer.bench.plain_model import check_plain
from npformer.config import OptimConfig, RunConfig
from npformer.models import make_model
from npformer.models.transformer import TransformerConfig
from npformer.ops.positions import sinusoidal_positions
from npformer.text.batches import Batch
from npformer.train.engine import Step

Weights = dict[str, Any]

ACTIVATIONS = {
    "relu": jax.nn.relu,
    "gelu": partial(jax.nn.gelu, approximate=False),
    "gelu_tanh": jax.nn.gelu,
    "silu": jax.nn.silu,
}


class Drops:
    """Drops with a new key at each call; with probability 0 it draws nothing."""

    def __init__(self, p: float, key: Any) -> None:
        self.p, self.key = p, key

    def __call__(self, x: Any) -> Any:
        if not self.p:
            return x
        self.key, key = jax.random.split(self.key)
        return jnp.where(jax.random.bernoulli(key, 1 - self.p, x.shape), x / (1 - self.p), 0)


def affine(w: Weights, name: str, x: Any) -> Any:
    """x (..., I) -> (..., O)."""
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def normed(w: Weights, name: str, x: Any, eps: float) -> Any:
    """x (..., D) -> (..., D)."""
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + eps) * w[f"{name}.weight"] + w[f"{name}.bias"]


def attended(w: Weights, name: str, x: Any, memory: Any, mask: Any, heads: int) -> Any:
    """x (B, T, D), memory (B, S, D), mask to (B, N, T, S), True = may attend -> (B, T, D)."""

    def projected(part: str, of: Any) -> Any:
        y = affine(w, f"{name}.{part}_proj", of)
        return y.reshape(*y.shape[:2], heads, -1)

    q, k, v = projected("q", x), projected("k", memory), projected("v", memory)
    scores = jnp.einsum("btnh,bsnh->bnts", q, k) / math.sqrt(q.shape[-1])
    probs = jax.nn.softmax(jnp.where(mask, scores, -jnp.inf))
    y = jnp.einsum("bnts,bsnh->btnh", probs, v)
    return affine(w, f"{name}.out_proj", y.reshape(*x.shape[:2], -1))


def summed_loss(
    w: Weights,
    source: Any,
    target: Any,
    targets: Any,
    key: Any,
    *,
    model: TransformerConfig,
    smoothing: float,
) -> Any:
    """source (B, S), target and targets (B, T) ids -> the sum of the token losses, in nats."""
    dropout, pad = Drops(model.dropout, key), model.padding_id
    table = w["embedding.weight"]
    positions = sinusoidal_positions(model.max_length, model.d_model, dtype=table.dtype)

    def embedded(ids: Any) -> Any:
        x = table[ids]
        x = jnp.where((ids == pad)[..., None], jax.lax.stop_gradient(x), x)
        return dropout(x * math.sqrt(model.d_model) + positions[: ids.shape[1]])

    def layer(name: str, x: Any, mask: Any, memory: Any = None, memory_mask: Any = None) -> Any:
        def residual(part: str, h: Any) -> Any:
            norm = f"{name}.{part}_residual.norm"
            return normed(w, norm, x + dropout(h), model.layer_norm_eps)

        x = residual("self_attn", attended(w, f"{name}.self_attn", x, x, mask, model.heads))
        if memory is not None:
            h = attended(w, f"{name}.cross_attn", x, memory, memory_mask, model.heads)
            x = residual("cross_attn", h)
        h = affine(w, f"{name}.feed_forward.linear1", x)
        h = affine(w, f"{name}.feed_forward.linear2", ACTIVATIONS[model.activation](h))
        return residual("feed_forward", h)

    memory, memory_mask = embedded(source), (source != pad)[:, None, None, :]
    for number in range(model.encoder_layers):
        memory = layer(f"encoder.layers.{number}", memory, memory_mask)
    y, causal = embedded(target), jnp.tri(target.shape[1], dtype=bool)
    for number in range(model.decoder_layers):
        y = layer(f"decoder.layers.{number}", y, causal, memory, memory_mask)
    log_probs = jax.nn.log_softmax(y @ table.T)  # (B, T, V)
    hit = jnp.take_along_axis(log_probs, targets[..., None], -1)[..., 0]
    losses = -(1 - smoothing) * hit - smoothing * log_probs.mean(-1)
    return jnp.where(targets == pad, 0, losses).sum()


@partial(jax.jit, static_argnames=("model", "optim", "smoothing"), donate_argnums=(0, 1, 2))
def train_step(
    w: Weights,
    m: Weights,
    v: Weights,
    step: Any,
    rate: Any,
    batch: tuple[Any, Any, Any],
    key: Any,
    *,
    model: TransformerConfig,
    optim: OptimConfig,
    smoothing: float,
) -> tuple[Weights, Weights, Weights, Any, Any]:
    """Forward, backward and Adam -> weights, both moments, loss, and the gradient's norm."""
    source, target, targets = batch
    summed = partial(summed_loss, model=model, smoothing=smoothing)
    loss, gradients = jax.value_and_grad(summed)(w, source, target, targets, key)
    tokens = (targets != model.padding_id).sum()
    gradients = jax.tree.map(lambda g: g / tokens, gradients)
    norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in gradients.values()))
    if optim.clip_norm:
        gradients = jax.tree.map(lambda g: g * jnp.minimum(1, optim.clip_norm / norm), gradients)
    m = jax.tree.map(lambda m, g: optim.beta1 * m + (1 - optim.beta1) * g, m, gradients)
    v = jax.tree.map(lambda v, g: optim.beta2 * v + (1 - optim.beta2) * g * g, v, gradients)
    first, second = 1 - optim.beta1**step, 1 - optim.beta2**step

    def moved(w: Any, m: Any, v: Any) -> Any:
        return w - rate * (m / first) / (jnp.sqrt(v / second) + optim.eps)

    return jax.tree.map(moved, w, m, v), m, v, loss, norm


class JaxTransformer:
    """Trains by ``train_step``, from the weights that the NumPy engine would begin with.

    Raises ConfigError for a configuration that it does not have.
    """

    def __init__(self, config: RunConfig) -> None:
        c = config.model
        assert isinstance(c, TransformerConfig)
        plain = {
            "norm": c.norm == "post",
            "activation": c.activation in ACTIVATIONS,
            "layer_norm_eps": True,
            "d_k": c.head_k * c.heads == c.d_model,
            "d_v": c.head_v * c.heads == c.d_model,
        }
        check_plain(c, "the baseline in JAX", plain)
        self.config = config
        rng = np.random.default_rng(config.train.seed)
        model = make_model(c, rng=rng, dtype=np.dtype(config.train.dtype))
        self.restore(model.state_dict())

    def restore(self, weights: dict[str, np.ndarray]) -> None:
        """Begin with these weights, and with moments of zero."""
        self.weights = {name: jnp.array(array) for name, array in weights.items()}
        self.m, self.v = (jax.tree.map(jnp.zeros_like, self.weights) for _ in range(2))
        self.steps = 0

    def train(self, batch: Batch, seed: int, learning_rate: float) -> Step:
        """One update, once it is done."""
        self.steps += 1
        arrays = (batch.inputs["source"], batch.inputs["target"], batch.targets)
        self.weights, self.m, self.v, loss, norm = train_step(
            self.weights,
            self.m,
            self.v,
            float(self.steps),
            learning_rate,
            arrays,
            jax.random.key(seed),
            model=self.config.model,
            optim=self.config.optim,
            smoothing=self.config.train.label_smoothing,
        )
        jax.block_until_ready(self.weights)
        return Step(float(loss), batch.tokens, float(norm))
