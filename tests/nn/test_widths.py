"""muP's rules, by the coordinate check: sizes after a few steps do not grow with the width."""

from __future__ import annotations

import math

import numpy as np
import pytest

from npformer.errors import ShapeError
from npformer.models.gpt import GPT, GPTConfig
from npformer.nn.widths import WidthRule, scale_branches, width_rules
from npformer.ops.cross_entropy import cross_entropy_backward, cross_entropy_forward
from npformer.optim import FlatParameters
from npformer.optim.adam import Adam
from torch_ref.bridge import from_torch
from torch_ref.models.gpt import GPT as Twin

BASE, STEPS, RATE = 16, 4, 0.02
WIDTHS = (16, 32, 64, 128)


def config(width: int, layers: int = 2, **more) -> GPTConfig:
    """Heads of one size: with the width, they become more."""
    return GPTConfig(
        vocab_size=13, d_model=width, heads=width // 8, d_ff=4 * width, layers=layers,
        max_length=8, dropout=0.0, init_std=0.1, tie_output=False, **more,
    )  # fmt: skip


def shapes(width: int) -> dict[str, tuple[int, ...]]:
    model = GPT(config(width), rng=np.random.default_rng(0))
    return {path: parameter.data.shape for path, parameter in model.named_parameters()}


def moved(width: int, parametrised: bool) -> float:
    """How far logits are after a few steps from what they were, as a mean over entries."""
    rng = np.random.default_rng(1)
    model = GPT(config(width), rng=np.random.default_rng(0), dtype=np.float64)
    rules = width_rules(shapes(width), shapes(BASE))
    if not parametrised:
        rules = dict.fromkeys(rules, WidthRule())
    optimizers = {}
    for path, parameter in model.named_parameters():
        parameter.data *= rules[path].initial
        optimizers[path] = Adam(FlatParameters({path: parameter}))
    factor = rules["output_proj.weight"].forward
    ids = rng.integers(1, 13, (4, 8))
    first = None
    for _ in range(STEPS + 1):
        model.zero_grad()
        y, cache = model.forward(ids[:, :-1])
        logits = factor * y
        first = logits.copy() if first is None else first
        _, loss = cross_entropy_forward(logits, ids[:, 1:])
        model.backward(factor * cross_entropy_backward(np.ones(()), loss), cache)
        for path, optimizer in optimizers.items():
            optimizer.step(RATE * rules[path].rate)
    return float(np.abs(logits - first).mean())


def growth(parametrised: bool) -> float:
    """The slope of log(how far) by log(width)."""
    sizes = [math.log(moved(width, parametrised)) for width in WIDTHS]
    return float(np.polyfit(np.log(WIDTHS), sizes, 1)[0])


def test_the_coordinate_check():
    assert growth(parametrised=False) > 0.5
    assert abs(growth(parametrised=True)) < 0.2


def test_the_rule_of_each_kind():
    rules = width_rules(shapes(64), shapes(16))
    assert rules["output_proj.weight"] == WidthRule(forward=1 / 4)
    assert rules["embedding.weight"] == rules["positions.weight"] == WidthRule()  # looked up
    assert rules["decoder.layers.0.self_attn.q_proj.weight"] == WidthRule(1 / 2, 1 / 4)
    assert rules["decoder.layers.1.feed_forward.linear2.weight"] == WidthRule(1 / 2, 1 / 4)
    assert rules["decoder.layers.0.feed_forward.linear1.bias"] == WidthRule()
    assert rules["decoder.norm.weight"] == WidthRule()


def test_models_that_differ_in_more_than_their_width():
    with pytest.raises(ShapeError, match="differ in 'b'"):
        width_rules({"a": (1, 2), "b": (1,)}, {"a": (1, 1)})
    with pytest.raises(ShapeError, match=r"'a' is \(1, 2\) in the model and \(1,\) in the base"):
        width_rules({"a": (1, 2)}, {"a": (1,)})


@pytest.mark.parametrize("layers", [1, 3])
def test_the_last_matrix_of_every_branch_is_scaled(layers):
    plain = GPT(config(16, layers), rng=np.random.default_rng(0))
    scaled = GPT(config(16, layers, scale_branches=True), rng=np.random.default_rng(0))
    for path, before in plain.state_dict().items():
        last = path.endswith(("out_proj.weight", "linear2.weight"))
        factor = 1 / math.sqrt(2 * layers) if last else 1.0
        np.testing.assert_allclose(scaled.state_dict()[path], factor * before, rtol=1e-6)
    assert scale_branches(plain.named_parameters()) == 2 * layers


def test_the_twin_begins_with_the_same_deviations():
    ours = GPT(config(64, 3, scale_branches=True), rng=np.random.default_rng(0)).state_dict()
    theirs = from_torch(Twin(config(64, 3, scale_branches=True)))
    for path, array in ours.items():
        if array.ndim == 2 and array.size > 1000:
            assert theirs[path].std() == pytest.approx(array.std(), rel=0.1), path
