"""The answers of JAX, and of optax and flax, which bring what JAX leaves to them."""

from __future__ import annotations

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from tests.conformance import questions as ask
from tests.conformance.answers import Answers, own_masks, pairs, text

ATTEND = jax.nn.dot_product_attention


def heads(numbers):
    return jnp.array(numbers, jnp.float32).reshape(1, -1, 1, 1)  # (B, T, N, H)


def attention(found):
    def hidden(attend):
        inputs = map(heads, (ask.HIDDEN_Q, ask.HIDDEN_K, ask.HIDDEN_V))
        y, back = jax.vjp(attend, *inputs)
        dq, dk, dv = back(heads(ask.HIDDEN_DY))
        return y[0, 0], dq[0, 0], dk, dv

    seen = jnp.array(ask.HIDDEN_SEEN)[None, None]
    biases = {
        "hidden by -inf": jnp.where(seen, 0.0, -jnp.inf),
        "hidden by the lowest number": jnp.where(seen, 0.0, ask.LOWEST),
    }
    who, flax_who = "`jax.nn.dot_product_attention`", "`flax.nnx.dot_product_attention`"
    for name, function in ((who, ATTEND), (flax_who, nnx.dot_product_attention)):
        masked = partial(function, mask=seen)
        found.add("hidden by a boolean mask", name, lambda f=masked: hidden(f))
        for question, bias in biases.items():
            biased = partial(function, bias=bias)
            found.add(question, name, lambda f=biased: hidden(f))

    def causal(function):
        for (t, _), numbers in ask.CAUSAL_V.items():
            v = heads(numbers)
            y, back = jax.vjp(lambda v, t=t: function(heads([0] * t), 0 * v, v, is_causal=True), v)
            yield from (y, back(jnp.ones_like(y))[0])

    found.add("causal", who, lambda: causal(ATTEND))
    found.add("causal", flax_who, lambda: causal(nnx.dot_product_attention))

    def dropped():
        shape = (ask.DROP_B, ask.DROP_T, ask.DROP_N, ask.DROP_T)  # (B, T, N, H)
        q = jnp.zeros(shape)
        eye = jnp.broadcast_to(jnp.eye(ask.DROP_T)[None, :, None], shape)
        key = jax.random.key(0)
        options = dict(dropout_rng=key, dropout_rate=ask.DROP_P, deterministic=False)
        y, back = jax.vjp(lambda v: nnx.dot_product_attention(q, q, v, **options), eye)
        weights = y.transpose(0, 2, 1, 3)
        dv = back(eye)[0].transpose(0, 2, 3, 1)
        same = "yes" if jnp.array_equal(weights, dv) else "no"
        return own_masks(weights.tolist()), weights.max() * ask.DROP_T, same

    found.add("dropout", flax_who, dropped)


def slope(function, x):
    return jax.grad(lambda x: function(x).sum())(jnp.array(x, jnp.float32))


def norms(found):
    x = jnp.array(ask.GELU_X)
    found.add("gelu", "`jax.nn.gelu`", lambda: (jax.nn.gelu(x), slope(jax.nn.gelu, ask.GELU_X)))

    def norm(layer, *more):
        made = layer(2, rngs=nnx.Rngs(0))
        y, back = jax.vjp(made, jnp.array(ask.NORM_X))
        dx = back(jnp.array(ask.NORM_DY))[0]
        eps = inspect.signature(layer.__init__).parameters["epsilon"].default
        half = made(jnp.array(ask.NORM_HALF, jnp.float16))
        half = f"{text(half)} ({half.dtype})"  # weights are float32, and so the result
        return f"{eps:g}", y, dx, *(made(jnp.array(m)) for m in more), half

    found.add("layer norm", "`flax.nnx.LayerNorm`", lambda: norm(nnx.LayerNorm, ask.NORM_FAR))
    found.add("rms norm", "`flax.nnx.RMSNorm`", lambda: norm(nnx.RMSNorm))


def losses(found):
    logits = jnp.array([ask.LOGITS])
    sparse = optax.softmax_cross_entropy_with_integer_labels

    def loss(function):
        return jax.value_and_grad(function)(logits)

    def smoothed():
        hot = jax.nn.one_hot(jnp.array([ask.TARGET]), len(ask.LOGITS))
        labels = optax.smooth_labels(hot, ask.SMOOTHING)
        value, dlogits = loss(lambda x: optax.softmax_cross_entropy(x, labels).mean())
        return value, dlogits, jax.nn.softmax(logits) - dlogits

    def outside(label):
        return loss(lambda x: sparse(x, jnp.array([label])).mean())

    found.add("smoothing", "`optax.smooth_labels`", smoothed)
    found.add(
        "all ignored",
        "`optax.softmax_cross_entropy_with_integer_labels`, `jnp.mean(where=)`",
        lambda: loss(lambda x: sparse(x, jnp.array([0])).mean(where=jnp.array([False]))),
    )
    found.add(
        "no weight",
        "`optax.softmax_cross_entropy_with_integer_labels`, `jnp.average(weights=)`",
        lambda: loss(lambda x: jnp.average(sparse(x, jnp.array([0])), weights=jnp.zeros(1))),
    )
    found.add(
        "outside",
        "`optax.softmax_cross_entropy_with_integer_labels`",
        lambda: pairs(outside, ask.OUTSIDE),
    )


def kinks(found):
    found.add(
        "ties",
        "`jnp.max`, `lax.top_k`, `jnp.maximum`",
        lambda: (
            slope(jnp.max, ask.TIES),
            slope(lambda x: x.max(0), ask.TIES),
            slope(lambda x: jax.lax.top_k(x, 1)[0], ask.TIES),
            jax.grad(jnp.maximum, (0, 1))(2.0, 2.0),
        ),
    )
    found.add(
        "kinks",
        "`jax.nn.relu`, `jnp.abs`, `jnp.clip`, `jax.nn.relu6`",
        lambda: (
            slope(jax.nn.relu, [0]),
            slope(jnp.abs, [0]),
            slope(lambda x: jnp.clip(x, -1, 1), [-1, 1]),
            slope(jax.nn.relu6, [0, 6]),
        ),
    )


if __name__ == "__main__":
    found = Answers()
    for part in (attention, norms, losses, kinks):
        part(found)
    found.print("jax", "optax", "flax")
