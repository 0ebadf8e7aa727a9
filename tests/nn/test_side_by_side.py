"""Linear layers as one product: what each gives, who sees it, and when they are called alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.nn import GatedFeedForward, Linear, MultiHeadAttention, QuantizedLinear
from npformer.nn.adapters import add_adapters
from npformer.nn.side_by_side import forward_side_by_side, lay_side_by_side
from npformer.seam import watching

sizes = st.integers(1, 7)


def some_linears(outputs, rng, bias=True, trainable=True):
    linears = [Linear(5, size, bias, rng=rng, dtype=np.float64) for size in outputs]
    for linear in linears:
        linear.weight.trainable = trainable
        if linear.bias is not None:
            linear.bias.data += rng.normal(size=linear.bias.data.shape)
    return linears


def same(a, b):
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-13 * max(np.abs(b).max(initial=0), 1))


@given(st.lists(sizes, min_size=1, max_size=4), sizes, st.booleans(), st.booleans())
def test_each_gives_what_its_forward_and_backward_give(outputs, rows, bias, trainable):
    rng = np.random.default_rng(rows)
    linears = some_linears(outputs, rng, bias, trainable)
    x = rng.normal(size=(rows, 2, 5))
    alone = [linear.forward(x) for linear in linears]
    kept = [linear.weight.data.copy() for linear in linears]
    joint = lay_side_by_side(*linears)
    assert joint.shape == (5, sum(outputs))
    for linear, weight in zip(linears, kept, strict=True):
        np.testing.assert_array_equal(linear.weight.data, weight)
        assert linear.weight.data.base is joint
    together = forward_side_by_side(x, joint, *linears)
    for linear, (y, cache), (wanted, of_wanted) in zip(linears, together, alone, strict=True):
        same(y, wanted)
        assert (cache.x is None) is (of_wanted.x is None) is (not trainable)
        dy = rng.normal(size=y.shape)
        same(linear.backward(dy, cache), linear.backward(dy, of_wanted))


def counted(run):
    names = []

    def observer(call, inner, *args, **kwargs):
        names.append(call.name)
        return inner(*args, **kwargs)

    with watching(observer):
        run()
    return names


def test_who_watches_sees_every_layer():
    rng = np.random.default_rng(0)
    linears = some_linears([3, 4], rng)
    joint = lay_side_by_side(*linears)
    seen = counted(lambda: [*forward_side_by_side(rng.normal(size=(1, 5)), joint, *linears)])
    assert seen == ["forward", "linear_forward"] * 2


def test_a_change_in_place_counts_and_so_does_another_weight():
    rng = np.random.default_rng(0)
    linears = some_linears([3, 4], rng)
    joint, x = lay_side_by_side(*linears), rng.normal(size=(2, 5))
    linears[0].weight.data += 1
    for change in (None, rng.normal(size=(4, 5))):
        if change is not None:
            linears[1].weight.data = change
        for linear, (y, _) in zip(linears, forward_side_by_side(x, joint, *linears), strict=True):
            same(y, linear.forward(x)[0])


@pytest.mark.parametrize("kind", ["quantized", "adapted"])
def test_layers_that_are_more_than_a_weight_stay_apart(kind):
    rng = np.random.default_rng(0)
    layer = MultiHeadAttention(8, 2, rng=rng, dtype=np.float64)
    if kind == "quantized":
        layer.v_proj = QuantizedLinear(8, 8, rng=rng, dtype=np.float64)
    else:
        add_adapters(layer, rank=2, alpha=2, targets=["q_proj"], kind="lora", rng=rng)
    x = rng.normal(size=(2, 3, 8))
    wanted, _ = layer.forward(x)
    layer.lay_side_by_side()
    same(layer.forward(x)[0], wanted)
    assert layer._joint is None


def test_adapters_that_come_later_are_heard():
    rng = np.random.default_rng(0)
    layer = GatedFeedForward(8, 6, rng=rng, dtype=np.float64)
    layer.lay_side_by_side()
    add_adapters(layer, rank=2, alpha=2, targets=["up_proj"], kind="lora", rng=rng)
    for parameter in layer.parameters():
        parameter.data += rng.normal(size=parameter.data.shape)
    x = rng.normal(size=(2, 8))
    y, _ = layer.forward(x)
    layer._joint = None
    same(y, layer.forward(x)[0])


def test_a_forward_that_has_a_backward_is_the_same_to_the_bit_if_it_is_watched():
    """One product of all differs from three in the last bit, so it is for decoding alone."""
    rng = np.random.default_rng(0)
    attention = MultiHeadAttention(96, 4, rng=rng, dtype=np.float32)
    attention.lay_side_by_side()
    x = rng.standard_normal((2, 7, 96)).astype(np.float32)
    seen = []
    counted(lambda: seen.append(attention.forward(x)[0]))
    np.testing.assert_array_equal(attention.forward(x)[0], seen[0])
