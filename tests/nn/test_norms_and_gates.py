"""Norms and feed-forward networks by name: what is built, what is refused, where a norm is put."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.errors import ConfigError
from npformer.nn import FeedForward, GatedFeedForward, Residual, RMSNorm, make_feed_forward
from npformer.nn.activation import ACTIVATIONS
from npformer.nn.gated_activation import GATED_ACTIVATIONS, GatedActivation
from npformer.nn.norms import NORMS, make_norm
from npformer.nn.residual import PLACEMENTS
from npformer.ops.rms_norm import rms_norm_backward, rms_norm_forward
from npformer.ops.swiglu_clamped import swiglu_clamped_forward


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_norm("rmsnorm", 4), "norm_type is 'rmsnorm'.*did you mean 'rms_norm'"),
        (lambda: RMSNorm(0), "normalized_shape is 0"),
        (lambda: RMSNorm(4, plus_one=True, weight=False), "nothing to add 1 to"),
        (lambda: Residual(4, 0.0, norm_type="batch_norm"), "norm_type is 'batch_norm'"),
        (lambda: Residual(4, 0.0, "sandwhich"), "did you mean 'sandwich'"),
        (lambda: GatedActivation("swish"), "gated activation 'swish' does not exist"),
        (lambda: make_feed_forward(4, 5, "swigul", rng=rng()), "did you mean 'swiglu'"),
        (lambda: make_feed_forward(4, 0, "swiglu", rng=rng()), "out_features is 0"),
    ],
)
def test_what_does_not_exist_is_refused(make, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_every_activation_has_its_network() -> None:
    for name in (*ACTIVATIONS, *GATED_ACTIVATIONS):
        network = make_feed_forward(4, 5, name, bias=False, rng=rng())
        gated = name in GATED_ACTIVATIONS
        assert type(network) is (GatedFeedForward if gated else FeedForward)
        assert len(network.parameters()) == (3 if gated else 2), "no biases were asked for"


def test_a_norm_begins_as_a_norm_and_nothing_more() -> None:
    """Whatever the weight is added to, at first it changes nothing."""
    x = rng().standard_normal((2, 3, 4))
    plain, _ = RMSNorm(4, weight=False, dtype=np.float64).forward(x)
    for name in ("rms_norm", "rms_norm_plus_one"):
        y, _ = make_norm(name, 4, dtype=np.float64).forward(x)
        assert (y == plain).all(), name


def test_heads_are_normed_each_by_itself_and_a_full_width_as_one() -> None:
    """A norm of queries over a head's H numbers, or over all N * H."""
    b, t, n, h = 2, 3, 4, 5
    q, dq = rng(1).standard_normal((2, b, t, n, h))
    per_head = RMSNorm(h, 1e-6, dtype=np.float64)
    per_head.weight.data[...] = rng(2).uniform(0.5, 1.5, h)
    y, cache = per_head.forward(q)
    dx = per_head.backward(dq, cache)
    assert per_head.weight.grad.shape == (h,), "one weight for every head: its gradients are summed"
    for head in range(n):
        alone = RMSNorm(h, 1e-6, dtype=np.float64)
        alone.weight.data[...] = per_head.weight.data
        y_alone, cache = alone.forward(q[:, :, head])
        assert np.allclose(y[:, :, head], y_alone, rtol=1e-15)
        assert np.allclose(dx[:, :, head], alone.backward(dq[:, :, head], cache), rtol=1e-12)

    full = RMSNorm(n * h, 0.0, dtype=np.float64)
    y, _ = full.forward(q.reshape(b, t, n * h))
    scaled = q.copy()
    scaled[:, :, 0] *= 100  # one head pushes the others down: they share a root mean square
    z, _ = full.forward(scaled.reshape(b, t, n * h))
    assert (np.abs(z[..., h:]) < np.abs(y[..., h:])).all()


def test_the_order_of_norm_sub_layer_and_sum() -> None:
    """Each placement by its own line of the docstring, with a norm and a sub-layer made plain."""
    x = rng(3).standard_normal((2, 3, 4))

    def f(h):
        return np.tanh(h) * 3 + 1

    expected = {
        "post": lambda n, _: n(x + f(x)),
        "pre": lambda n, _: x + f(n(x)),
        "sandwich": lambda n, after: x + after(f(n(x))),
        "branch": lambda n, _: x + n(f(x)),
        "none": lambda n, _: x + f(x),
    }
    assert expected.keys() == set(PLACEMENTS)
    for norm_type in NORMS:
        for placement, line in expected.items():
            residual = Residual(4, 0.0, placement, norm_type=norm_type, dtype=np.float64)
            for parameter in residual.parameters():
                parameter.data[...] = rng(4).standard_normal(4)
            norms = [
                (lambda h, norm=norm: norm.forward(h)[0]) if norm else None
                for norm in (residual.norm, residual.norm_after)
            ]
            y, _ = residual.forward(x, lambda h: (f(h), None))
            assert np.allclose(y, line(*norms), rtol=1e-15), (placement, norm_type)


def test_a_norm_of_the_branch_bounds_what_it_adds() -> None:
    """However large a sub-layer's weights grow, the stream grows by a root mean square of 1."""
    x = rng(5).standard_normal((2, 3, 64))
    for placement in ("sandwich", "branch"):
        residual = Residual(64, 0.0, placement, norm_type="rms_norm", dtype=np.float64)
        y, _ = residual.forward(x, lambda h: (1e6 * h, None))
        assert np.allclose(np.sqrt(((y - x) ** 2).mean(-1)), 1)


@pytest.mark.parametrize("name", ["alpha", "limit"])
def test_a_clamp_that_leaves_nothing_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is 0.0; it must be above 0"):
        swiglu_clamped_forward(np.ones(2), np.ones(2), **{name: 0.0})


def test_one_is_not_added_to_no_weight() -> None:
    with pytest.raises(ConfigError, match="plus_one adds 1 to the weight, and there is none"):
        rms_norm_forward(np.ones((2, 3)), plus_one=True)


def test_float32_rows_whose_squares_overflow() -> None:
    x, dy = np.array([[3e30, -4e30]]), np.ones((1, 2))
    y, cache = rms_norm_forward(x, np.ones(2))
    dx, _ = rms_norm_backward(dy, cache)
    short, cache = rms_norm_forward(x.astype(np.float32), np.ones(2, np.float32))
    dshort, _ = rms_norm_backward(dy.astype(np.float32), cache)
    assert np.allclose(y, np.array([[3, -4]]) / np.sqrt(12.5), rtol=1e-15)
    assert np.allclose(short, y, rtol=1e-6) and np.allclose(dshort, dx, rtol=1e-6, atol=0)
