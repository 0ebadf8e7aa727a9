"""muP in a run: rates, initial values and output by the width, on both engines alike."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from npformer.config import AdapterConfig, OptimConfig, RunConfig, TrainConfig
from npformer.errors import ConfigError
from npformer.models import make_model
from npformer.models.gpt import GPTConfig
from npformer.nn.widths import WidthRule, width_rules
from npformer.optim import FlatParameters, make_optimizer
from npformer.text.batches import Batch
from npformer.train.numpy_engine import NumpyEngine
from npformer.train.rates import rate_factors
from torch_ref.bridge import from_torch, to_torch
from torch_ref.models import make_twin
from torch_ref.train import TorchEngine

BASE, STEPS, RATE = 16, 4, 0.02


def config(width: int, base: int | None = BASE, **changes: Any) -> RunConfig:
    """Heads of one size: with the width, they become more."""
    settings: dict[str, Any] = dict(
        vocab_size=13, d_model=width, heads=width // 8, d_ff=4 * width, layers=2, max_length=8,
        dropout=0.0, init_std=0.1, tie_output=False, mup_base_width=base,
    )  # fmt: skip
    return RunConfig(
        model=GPTConfig(**{**settings, **changes}),
        optim=OptimConfig(name="adamw", schedule="constant", learning_rate=RATE, weight_decay=0.1),
        train=TrainConfig(dtype="float64", workers=1, seed=1, label_smoothing=0.0),
    )


def batch() -> Batch:
    ids = np.random.default_rng(1).integers(1, 13, (4, 8))
    return Batch({"target": ids[:, :-1]}, ids[:, 1:])


def moved(width: int, base: int | None) -> float:
    """How far logits are after a few updates from what they were, as a mean over entries."""
    engine, inputs = NumpyEngine(config(width, base)), batch().inputs
    first, _ = engine.model.forward(**inputs)
    for update in range(STEPS):
        engine.gradients(batch(), (update,))
        engine.update(RATE)
    last, _ = engine.model.forward(**inputs)
    return float(np.abs(last - first).mean())


def test_the_coordinate_check_of_a_run():
    widths = (16, 32, 64, 128)
    for base, fits in ((BASE, lambda slope: abs(slope) < 0.2), (None, lambda slope: slope > 0.5)):
        sizes = [math.log(moved(width, base)) for width in widths]
        assert fits(np.polyfit(np.log(widths), sizes, 1)[0])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tie_output": True, "positions": "t5", "activation": "swiglu"},
        {"kv_heads": 2, "positions": "rotary", "qk_norm": "full", "output_bias": True},
        {"positions": "learned", "attention_gate": True, "sinks": True},
    ],
)
def test_every_parameter_goes_by_its_rule(changes):
    wide, narrow = (config(width, 32, **changes).model for width in (64, 32))
    narrow = dataclasses.replace(narrow, kv_heads=1 if wide.kv_heads else None)
    shapes = [
        {path: p.data.shape for path, p in make_model(c, rng=rng_of(0)).named_parameters()}
        for c in (wide, narrow)
    ]
    rules = width_rules(*shapes)
    factors = rate_factors(dataclasses.replace(config(64), model=wide), shapes[0])
    assert {path: rule.rate for path, rule in rules.items() if rule.rate != 1} == factors
    begins = make_model(wide, rng=rng_of(0)).state_dict()
    plain = make_model(dataclasses.replace(wide, mup_base_width=None), rng=rng_of(0)).state_dict()
    for path, array in plain.items():
        np.testing.assert_allclose(begins[path], array * rules[path].initial, rtol=1e-6)
    output = "embedding.weight" if wide.tie_output else "output_proj.weight"
    assert [path for path, rule in rules.items() if rule.forward != 1] == [output]
    assert rules[output] == WidthRule(forward=1 / 2)


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("changes", [{}, {"tie_output": True, "logit_softcap": 2.0}])
def test_both_engines_stay_in_lockstep(changes):
    run = config(32, **changes)
    run = dataclasses.replace(run, train=dataclasses.replace(run.train, workers=3))
    by_hand = NumpyEngine(run)
    twin = TorchEngine(run, weights=by_hand.model.state_dict(), device="cpu")
    for update in range(6):
        for engine in (by_hand, twin):
            engine.gradients(batch(), (update,))
        step, expected = by_hand.update(RATE), twin.update(RATE)
        assert step.loss == pytest.approx(expected.loss, rel=1e-10)
        assert step.norm == pytest.approx(expected.norm, rel=1e-8)
    for name, array in by_hand.state().items():
        np.testing.assert_allclose(array, twin.state()[name], rtol=1e-7, atol=1e-10, err_msg=name)


def test_a_state_goes_on_where_it_was_with_its_rates():
    run = config(32)
    straight, twin = NumpyEngine(run), TorchEngine(run, device="cpu")
    for update in range(2):
        straight.gradients(batch(), (update,))
        straight.update(RATE)
        if update == 0:
            twin.restore(straight.state())
    twin.gradients(batch(), (1,))
    twin.update(RATE)
    for name, array in straight.state().items():
        np.testing.assert_allclose(array, twin.state()[name], rtol=1e-7, atol=1e-10, err_msg=name)


def test_decoding_narrows_the_last_state_too():
    model = make_model(config(32).model, rng=rng_of(0), dtype=np.float64)
    twin = make_twin(model.config).double().eval()
    to_torch(model.state_dict(), twin)
    ids = batch().inputs["target"]
    whole, _ = model.forward(ids)
    engines: tuple[Any, ...] = (model, twin)
    for each in engines:
        np.testing.assert_allclose(each.step(ids, each.start()), whole[:, -1], atol=1e-12)


def test_the_twin_begins_with_the_same_deviations():
    ours = make_model(config(64).model, rng=rng_of(0)).state_dict()
    theirs = from_torch(make_twin(config(64).model))
    for path, array in ours.items():
        if array.ndim == 2 and array.size > 1000:
            assert theirs[path].std() == pytest.approx(array.std(), rel=0.1), path


@pytest.mark.parametrize("cuts", [(0, None), (0, 100, None), (0, 3, 4, 700, 701, 1500, None)])
def test_a_range_may_begin_within_a_parameter(cuts):
    run = config(16, 8)
    results = []
    for bounds in ((0, None), cuts):
        model = make_model(run.model, rng=rng_of(0), dtype=np.float64)
        flat = FlatParameters(model.named_parameters())
        flat.grad[:] = rng_of(2).standard_normal(flat.grad.size)
        optimizer = make_optimizer(run.optim, flat)
        optimizer.rates = rate_factors(run, flat.shapes)
        assert optimizer.rates
        optimizer.advance()
        for start, stop in zip(bounds[:-1], bounds[1:], strict=True):
            optimizer.apply(0.1, 1.0, start, stop)
        results.append(flat.data)
    np.testing.assert_array_equal(results[0], results[1])


@pytest.mark.parametrize(
    ("width", "changes", "message"),
    [
        (24, {"heads": 4}, "heads, 4 at a width of 24, would be no integer there"),
        (32, {"mup_base_width": 0}, "mup_base_width is 0; it must be 1 or more"),
        (32, {"init_std": None}, "needs init_std"),
        (32, {"scale_embedding": True}, "no scale_embedding"),
    ],
)
def test_a_base_that_cannot_be_is_refused(width, changes, message):
    with pytest.raises(ConfigError, match=message):
        config(width, **changes)


def test_what_has_rates_of_its_own_is_refused():
    run = config(32)
    sgd = dataclasses.replace(run, optim=OptimConfig(name="sgd"))
    adapted = dataclasses.replace(run, adapters=AdapterConfig(lora=2))
    for wrong, message in (
        (sgd, "is for the rates of adam and adamw"),
        (adapted, "lora has rates"),
    ):
        for engine in (NumpyEngine, lambda c: TorchEngine(c, device="cpu")):
            with pytest.raises(ConfigError, match=message):
                engine(wrong)
