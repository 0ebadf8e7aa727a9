"""The answers of Keras 3, on its JAX backend."""

from __future__ import annotations

import inspect

import jax
import jax.numpy as jnp
import keras

from tests.conformance import questions as ask
from tests.conformance.answers import Answers, own_masks, pairs


def heads(numbers):
    return jnp.array(numbers, jnp.float32).reshape(1, -1, 1, 1)  # (B, T, N, H)


def attention(found):
    seen = jnp.array(ask.HIDDEN_SEEN)[None]
    biases = {
        "hidden by -inf": jnp.where(seen, 0.0, -jnp.inf)[None],
        "hidden by the lowest number": jnp.where(seen, 0.0, ask.LOWEST)[None],
    }

    def hidden(attend, shaped=heads):
        inputs = map(shaped, (ask.HIDDEN_Q, ask.HIDDEN_K, ask.HIDDEN_V))
        y, back = jax.vjp(attend, *inputs)
        dq, dk, dv = back(shaped(ask.HIDDEN_DY))
        return y[0, 0], dq[0, 0], dk, dv

    function = keras.ops.dot_product_attention
    who = "`ops.dot_product_attention`"
    found.add(
        "hidden by a boolean mask",
        who,
        lambda: hidden(lambda q, k, v: function(q, k, v, mask=seen[None])),
    )
    for question, bias in biases.items():
        found.add(question, who, lambda b=bias: hidden(lambda q, k, v: function(q, k, v, bias=b)))

    def rows(numbers):
        return jnp.array(numbers, jnp.float32).reshape(1, -1, 1)  # (B, T, D)

    for scores in (False, True):
        made = layer()

        def attend(q, k, v, made=made, scores=scores):
            given = made(q, v, k, attention_mask=seen, return_attention_scores=scores)
            return given[0] if scores else given

        more = ", return_attention_scores=True" if scores else ""
        found.add(
            "hidden by a boolean mask",
            f"`layers.MultiHeadAttention`{more}",
            lambda f=attend: hidden(f, rows),
        )

    def causal():
        for (t, _), numbers in ask.CAUSAL_V.items():
            v = heads(numbers)
            y, back = jax.vjp(lambda v, t=t: function(heads([0] * t), 0 * v, v, is_causal=True), v)
            yield from (y, back(jnp.ones_like(y))[0])

    def by_layer():
        made = layer()
        for (t, _), numbers in ask.CAUSAL_V.items():
            q, v = rows([0] * t), rows(numbers)
            y, back = jax.vjp(lambda v, q=q: made(q, v, 0 * v, use_causal_mask=True), v)
            yield from (y, back(jnp.ones_like(y))[0])

    found.add("causal", who, causal)
    found.add("causal", "`layers.MultiHeadAttention`", by_layer)

    def dropped():
        """By y, for the weights that are returned have not been dropped; heads are side by side."""
        n, s = ask.DROP_N, ask.DROP_T
        made = keras.layers.MultiHeadAttention(
            n, 1, s, dropout=ask.DROP_P, output_shape=n * s, kernel_initializer="zeros"
        )
        eye, shape = jnp.eye(s), (ask.DROP_B, s, s)
        made.build(shape, shape)
        made._value_dense.kernel.assign(jnp.stack([eye] * n, 1))
        made._output_dense.kernel.assign(jnp.eye(n * s).reshape(n, s, n * s))
        y = made(jnp.zeros(shape), jnp.broadcast_to(eye, shape), training=True)
        weights = y.reshape(ask.DROP_B, s, n, s).swapaxes(1, 2)
        return own_masks(weights.tolist()), weights.max() * s, None

    found.add("dropout", "`layers.MultiHeadAttention`", dropped)


def layer():
    """``MultiHeadAttention`` whose projections change nothing."""
    made = keras.layers.MultiHeadAttention(1, 1, kernel_initializer="ones")
    made.build((1, 2, 1), (1, 2, 1))
    return made


def slope(function, x):
    return jax.grad(lambda x: function(x).sum())(jnp.array(x, jnp.float32))


def norms(found):
    x = jnp.array(ask.GELU_X)
    for name, gelu in (("activations", keras.activations.gelu), ("ops", keras.ops.gelu)):
        found.add("gelu", f"`{name}.gelu`", lambda g=gelu: (g(x), slope(g, ask.GELU_X)))

    def norm(kind, *more):
        made = kind()
        made.build((1, 2))
        y, back = jax.vjp(made, jnp.array([ask.NORM_X]))
        dx = back(jnp.array([ask.NORM_DY]))[0]
        eps = inspect.signature(kind.__init__).parameters["epsilon"].default
        half = kind(dtype="float16")(jnp.array([ask.NORM_HALF], jnp.float16))
        return f"{eps:g}", y, dx, *(made(jnp.array([m])) for m in more), half

    layers = keras.layers
    found.add(
        "layer norm",
        "`layers.LayerNormalization`",
        lambda: norm(layers.LayerNormalization, ask.NORM_FAR),
    )
    found.add("rms norm", "`layers.RMSNormalization`", lambda: norm(layers.RMSNormalization))


def losses(found):
    logits, label = jnp.array([ask.LOGITS]), jnp.array([ask.TARGET])
    made = keras.losses

    def loss(function):
        return jax.value_and_grad(function)(logits)

    def smoothed():
        hot = jax.nn.one_hot(label, len(ask.LOGITS))
        taken = made.CategoricalCrossentropy(from_logits=True, label_smoothing=ask.SMOOTHING)
        value, dlogits = loss(lambda x: taken(hot, x))
        return value, dlogits, jax.nn.softmax(logits) - dlogits

    def sparse(label, **settings):
        taken = made.SparseCategoricalCrossentropy(from_logits=True, **settings)
        return lambda x: taken(jnp.array([label]), x)

    who = "`losses.SparseCategoricalCrossentropy`"
    found.add("smoothing", "`losses.CategoricalCrossentropy`", smoothed)
    found.add("all ignored", who, lambda: loss(sparse(ask.IGNORED, ignore_class=ask.IGNORED)))
    for reduction in ("sum_over_batch_size", "mean_with_sample_weight"):
        found.add(
            "no weight",
            f"{who}, sample_weight, {reduction}",
            lambda r=reduction: loss(
                lambda x: made.SparseCategoricalCrossentropy(from_logits=True, reduction=r)(
                    label, x, sample_weight=jnp.zeros(1)
                )
            ),
        )
    found.add(
        "outside",
        who,
        lambda: pairs(lambda label: loss(sparse(label)), ask.OUTSIDE),
    )


def kinks(found):
    ops = keras.ops
    found.add(
        "ties",
        "`ops.max`, `ops.top_k`, `ops.maximum`",
        lambda: (
            slope(ops.max, ask.TIES),
            slope(lambda x: ops.max(x, axis=0), ask.TIES),
            slope(lambda x: ops.top_k(x, 1)[0], ask.TIES),
            jax.grad(ops.maximum, (0, 1))(jnp.float32(2), jnp.float32(2)),
        ),
    )
    found.add(
        "kinks",
        "`ops.relu`, `ops.abs`, `ops.clip`, `ops.relu6`",
        lambda: (
            slope(ops.relu, [0]),
            slope(ops.abs, [0]),
            slope(lambda x: ops.clip(x, -1, 1), [-1, 1]),
            slope(ops.relu6, [0, 6]),
        ),
    )


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    found = Answers()
    for part in (attention, norms, losses, kinks):
        part(found)
    found.print("keras", "jax")
