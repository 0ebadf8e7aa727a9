"""The gradient of many ranks is that of one process, however the rows fall to them."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

from npformer.cards.scales import float_info
from npformer.config import RunConfig
from npformer.inspect.recorder import record
from npformer.text.batches import Batch
from npformer.train.engine import Step
from npformer.train.ranks import Alone
from npformer.verify.units.error import ACCEPT, error_units, worst
from npformer.verify.units.noise import measured_scales
from tests.torch_ref.distributed.example import (
    MODEL,
    batch,
    first_model,
    make_engine,
    run_config,
    share,
    with_twin,
)
from tests.torch_ref.distributed.harness import results, with_ranks

ROWS = (7, 1, 5)
"""Of an update's batches: of the second, all ranks but one get none."""
CONFIGS = {
    "tied, post-norm": run_config(MODEL, accumulate=len(ROWS)),
    "untied, pre-norm, little memory": run_config(
        dataclasses.replace(MODEL, norm="pre", tie_output=False, activation="gelu", d_k=3, d_v=6),
        accumulate=len(ROWS),
        checkpoint_activations=True,
        loss_chunk=5,
    ),
}


def batches() -> list[Batch]:
    rng = np.random.default_rng(5)
    return [batch(rng, rows) for rows in ROWS]


def one_update(config: RunConfig, ranks) -> tuple[Step, dict[str, np.ndarray]]:
    """An update at learning rate 0: what it found, and the gradient that it stepped along."""
    engine = make_engine(config, ranks)
    for number, whole in enumerate(batches()):
        engine.gradients(share(whole, ranks), (0, 1, number))
    step = engine.update(0.0)
    state = engine.state()
    return step, {
        name.removeprefix("optim/m/"): array
        for name, array in state.items()
        if name.startswith("optim/m/")
    }


@functools.cache
def alone(name: str) -> tuple[Step, dict[str, np.ndarray]]:
    return one_update(CONFIGS[name], Alone())


@functools.cache
def condition_scales(name: str) -> dict[str, np.ndarray]:
    """S of each entry of the gradient: how far it moves when every op is a little off."""
    config = CONFIGS[name]
    model, smoothing = first_model(config), config.train.label_smoothing
    tokens = sum(whole.tokens for whole in batches())

    def gradient() -> dict[str, np.ndarray]:
        parts = [
            (whole.tokens / tokens, record(model, whole, label_smoothing=smoothing).gradients)
            for whole in batches()
        ]
        return {path: sum(part * g[path] for part, g in parts) for path in parts[0][1]}

    return measured_scales(gradient, float_info(np.float64))


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(
    ("size", "parallel"), [(1, "ddp"), (2, "ddp"), (4, "ddp"), (2, "fsdp"), (4, "fsdp")]
)
def test_the_gradient_is_that_of_one_process(size, parallel, name):
    config = with_twin(CONFIGS[name], parallel=parallel)
    found = results(with_ranks(size, lambda ranks: one_update(config, ranks)))
    expected, gradient = alone(name)
    for step, gradients in found:
        assert step == found[0][0], "the ranks disagree"
        assert step.tokens == expected.tokens
        assert step.loss == pytest.approx(expected.loss, rel=1e-14, abs=0)
        assert step.norm == pytest.approx(expected.norm, rel=1e-14, abs=0)
        assert gradients.keys() == gradient.keys()
        scales, dtype = condition_scales(name), np.dtype(np.float64)
        off = {
            path: worst(error_units(gradients[path], gradient[path], scales[path], dtype))
            for path in gradient
        }
        assert max(off.values()) <= ACCEPT, off


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_dropout_differs_between_ranks_and_not_between_runs(parallel):
    model = dataclasses.replace(MODEL, dropout=0.3)
    config = run_config(model, accumulate=len(ROWS), parallel=parallel)
    same = batch(np.random.default_rng(2), 1)

    def losses(ranks):
        engine = make_engine(config, ranks)
        engine.gradients(same, (7,))
        return engine._totals[0].item()

    first, second = results(with_ranks(2, losses))
    assert first != second
    assert results(with_ranks(2, losses)) == [first, second]


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_the_norm_of_a_gradient_whose_squares_overflow(parallel):
    config = run_config(parallel=parallel)

    def norms(ranks):
        engine, whole = make_engine(config, ranks), batches()[0]
        found = []
        for factor in (1.0, 1e200):
            engine.gradients(share(whole, ranks), (0,))
            for gradient in engine._spread.local([p.grad for p in engine._named.values()]):
                gradient.mul_(factor)
            found.append(engine.update(0.0).norm)
        return found

    for plain, huge in results(with_ranks(2, norms)):
        assert huge == pytest.approx(1e200 * plain, rel=1e-12)


def test_mixed_precision_is_as_good_when_shared_out():
    """The gradient in bf16, summed in float32, is as near to float32's as without sharing."""
    exact_step, exact = one_update(mixed("full"), Alone())

    def error(found: tuple[Step, dict[str, np.ndarray]]) -> float:
        step, gradients = found
        assert step.loss == pytest.approx(exact_step.loss, rel=1e-2)
        assert all(gradient.dtype == np.float32 for gradient in gradients.values())
        squares = [np.square(gradients[name] - exact[name]).sum() for name in exact]
        return np.sqrt(sum(squares)) / exact_step.norm

    plain = error(one_update(mixed("bf16"), Alone()))
    assert 1e-4 < plain < 0.05
    for chunk in (0, 5):
        config = mixed("bf16", parallel="fsdp", loss_chunk=chunk)
        shared = results(with_ranks(2, lambda ranks, c=config: one_update(c, ranks)))[0]
        assert error(shared) < 2 * plain


def mixed(precision: str, **twin) -> RunConfig:
    return run_config(dtype="float32", accumulate=len(ROWS), precision=precision, **twin)
