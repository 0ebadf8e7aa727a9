"""The measured scale of modules."""

from __future__ import annotations

import numpy as np

from npformer import seam
from npformer.cards.scales import float_info
from npformer.cards.strategies import GeneratorSource
from npformer.nn import activation, layer_norm
from npformer.ops.rms_norm import rms_norm_forward
from npformer.verify.components.registry import component
from npformer.verify.units import noise
from npformer.verify.units.noise import noise_scales


def draw(name, seed=4):
    return component(name).draw(GeneratorSource(np.random.default_rng(seed)), np.float64)


def test_a_gradient_that_cancels_to_zero_has_the_scale_of_its_terms():
    attention = component("MultiHeadAttention")
    for seed in range(20):
        case = draw("MultiHeadAttention", seed)
        if not attention.plain(case):
            continue  # with a cap, a sink or a rotation a key's bias has a gradient
        bias, weight = (f"grad k_proj.{n}" for n in ("bias", "weight"))
        if not attention.card.plain(case):  # a turned key, or a cap, sees the bias
            continue
        scales, result = noise_scales(attention, case), attention.run(case)
        if np.abs(result[weight]).max() > 1e-3:
            assert np.abs(result[bias]).max() < 1e-12
            assert scales[bias].max() > 1e-3 * scales[weight].max()


def test_the_scale_of_one_op_is_about_the_ops_own():
    module, op = component("LayerNorm"), component("layer_norm")
    from npformer.cards.case import Case

    for seed in range(8):
        case = draw("LayerNorm", seed)
        measured = noise_scales(module, case)
        inputs = {"bias": np.zeros_like(case.inputs["weight"]), **case.inputs}
        plain = Case(inputs, {"eps": case.static["build"][1]}, case.dy)
        formula = op.scales(plain)
        if case.dy.size:
            ratio = measured["dx"].max() / formula["dx"].max()
            assert 0.2 < ratio < 5


def test_the_ops_are_themselves_again_afterwards():
    before = (layer_norm.layer_norm_forward, dict(activation.ACTIVATIONS))
    noise_scales(component("Layer"), draw("Layer"))
    assert (layer_norm.layer_norm_forward, dict(activation.ACTIVATIONS)) == before


def test_the_cards_are_loaded_before_anything_is_watched(monkeypatch):
    """A card may call an op where it is imported, and would be disturbed by what it is to load."""
    ops = noise._ops

    def looked_up():
        assert not seam._observers.get()
        return ops()

    monkeypatch.setattr(noise, "_ops", looked_up)
    x = np.arange(6.0).reshape(2, 3)
    run = lambda: {"y": rms_norm_forward(x, None)[0]}  # noqa: E731
    assert (noise.measured_scales(run, float_info(np.dtype(np.float32)))["y"] > 0).all()
