"""The planned peak of the NumPy engine's arrays against the one that ``tracemalloc`` sees."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from npformer.config import OptimConfig, RunConfig, TrainConfig
from npformer.plan.shape import Shape
from npformer.presets import run_preset
from npformer.train import step_memory as planned
from npformer.train.step_memory import step_memory
from npformer.train.step_record import measure_update

SQUARE, WIDE_SOURCE = Shape(12, 32, 32), Shape(6, 50, 20)


def run(
    preset: str = "tiny",
    family: str = "transformer",
    optim: dict[str, Any] | None = None,
    train: dict[str, Any] | None = None,
    **model: Any,
) -> RunConfig:
    """A run of a vocabulary of 2,000 on one worker, unless said otherwise."""
    train = {"workers": 1, **(train or {})}
    config = run_preset(preset, family).model
    config = dataclasses.replace(config, **{"vocab_size": 2000, "dropout": 0.1, **model})
    return RunConfig(model=config, optim=OptimConfig(**(optim or {})), train=TrainConfig(**train))


CHECKPOINTED = dict(checkpoint_activations=True)
CASES = {
    "tiny": (run(), SQUARE),
    "tiny-checkpointed": (run(train=CHECKPOINTED), SQUARE),
    "small": (run("small"), Shape(8, 32, 32)),
    "deep-checkpointed": (
        run(encoder_layers=4, decoder_layers=5, train=CHECKPOINTED),
        WIDE_SOURCE,
    ),
    "gpt": (run(family="gpt", layers=4), SQUARE),
    "gpt-experts": (
        run(
            family="gpt",
            layers=3,
            experts=4,
            experts_per_token=2,
            dense_first=1,
        ),
        SQUARE,
    ),
    "bert": (run(family="bert"), SQUARE),
    "untied-sgd-float64": (
        run(tie_output=False, optim=dict(name="sgd"), train=dict(dtype="float64")),
        WIDE_SOURCE,
    ),
    "few-bits": (run(weight_bits=4, input_bits=8), SQUARE),
    "accumulated": (run(train=dict(accumulate=2)), SQUARE),
}


@pytest.mark.parametrize("name", CASES)
def test_the_planned_peak_is_the_measured_one(name):
    config, shape = CASES[name]
    assert step_memory(config, shape).total == pytest.approx(
        measure_update(config, shape), rel=0.03
    )


def test_workers_are_at_their_peak_together_at_most():
    """On a busy machine one may be past its peak before another comes to it."""
    config = run(train=dict(workers=2))
    planned_peak, measured = step_memory(config, SQUARE).total, measure_update(config, SQUARE)
    assert 0.75 * planned_peak < measured < 1.01 * planned_peak
    assert measured > 1.2 * step_memory(run(), SQUARE._replace(rows=6)).total


def test_workers_without_a_row_have_their_share_of_the_update():
    config, shape = run(train=dict(workers=3)), Shape(1, 32, 32)
    planned_peak, measured = step_memory(config, shape), measure_update(config, shape)
    assert planned_peak.moment == "update"
    assert planned_peak.working > 2.9 * step_memory(run(), shape).working
    assert 0.85 * planned_peak.total < measured < 1.01 * planned_peak.total


@pytest.mark.parametrize("train", [{}, CHECKPOINTED], ids=["plain", "checkpointed"])
def test_a_deep_model_is_planned_from_two_layers_as_if_it_were_recorded_whole(train, monkeypatch):
    config = run(vocab_size=300, encoder_layers=3, decoder_layers=5, train=train)
    carried_on = step_memory(config, WIDE_SOURCE)
    monkeypatch.setattr(planned, "LAYERS", 5)
    whole = step_memory(config, WIDE_SOURCE)
    assert carried_on.moment == whole.moment
    assert carried_on.parameters == whole.parameters
    assert carried_on.total == pytest.approx(whole.total, rel=0.005)


def test_checkpointing_keeps_fewer_activations():
    assert (
        step_memory(*CASES["tiny-checkpointed"]).activations
        < 0.6 * step_memory(*CASES["tiny"]).activations
    )
