"""The twin's engine by itself, and handing a run over to the NumPy engine and back."""

from __future__ import annotations

import dataclasses
import math
import weakref
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from npformer.config import OptimConfig, RunConfig, TrainConfig
from npformer.errors import ConfigError, NonFiniteError, ShapeError
from npformer.models.transformer import TransformerConfig
from npformer.optim.config import twin_arguments
from npformer.text.batches import Batch
from npformer.train.numpy_engine import NumpyEngine
from torch_ref.optim import twin_optimizer
from torch_ref.train import TorchEngine

MODEL = TransformerConfig(
    vocab_size=23, d_model=8, heads=2, d_ff=12, encoder_layers=1, decoder_layers=1, dropout=0.2
)
OPTIMIZERS = [
    OptimConfig(name="adam", weight_decay=0.01),
    OptimConfig(name="adamw", weight_decay=0.1),
    OptimConfig(name="sgd", weight_decay=0.01),
    OptimConfig(name="sgd", beta1=0.0),
    OptimConfig(name="lion", weight_decay=0.1),
    OptimConfig(name="ademamix", slow_warmup=4, beta3=0.99),
    OptimConfig(name="adafactor", weight_decay=0.1),
    OptimConfig(name="muon", weight_decay=0.1),
    OptimConfig(name="schedule_free", weight_decay=0.1),
]
every_optimizer = pytest.mark.parametrize("optim", OPTIMIZERS, ids=lambda o: f"{o.name}-{o.beta1}")


def config(optim: OptimConfig = OPTIMIZERS[0], dtype: str = "float64", **train) -> RunConfig:
    return RunConfig(MODEL, optim, train=TrainConfig(dtype=dtype, workers=1, **train))


def make(optim: OptimConfig = OPTIMIZERS[0], dtype: str = "float64", **options) -> TorchEngine:
    return TorchEngine(config(optim, dtype), device="cpu", **options)


def batch(seed: int = 0, rows: int = 3) -> Batch:
    rng = np.random.default_rng(seed)
    source, target = rng.integers(4, 23, (rows, 6)), rng.integers(4, 23, (rows, 5))
    source[1:, 4:] = target[1:, 3:] = 0
    return Batch.of_pairs(source, np.c_[np.full(rows, 2), target[:, :-1]], target)


def train(engine, start: int, stop: int) -> list[float]:
    losses = []
    for update in range(start, stop):
        engine.gradients(batch(update), (0, update))
        losses.append(engine.update(1e-2).loss)
    return losses


def loss_of(engine, seed: tuple[int, ...]) -> float:
    engine.gradients(batch(), seed)
    return engine.update(0.0).loss


def assert_same(a: dict[str, np.ndarray], b: dict[str, np.ndarray], atol: float = 0.0) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].dtype == b[name].dtype, name
        np.testing.assert_allclose(a[name], b[name], rtol=0, atol=atol, err_msg=name)


def moved(engine) -> dict[str, np.ndarray]:
    """The state without the key biases: their true gradient is 0, and Adam enlarges its noise."""
    return {name: array for name, array in engine.state().items() if "k_proj.bias" not in name}


def test_without_weights_the_seed_decides():
    states = [TorchEngine(config(seed=s), device="cpu").state() for s in (1, 1, 2)]
    assert_same(states[0], states[1])
    name = "model/embedding.weight"
    assert not np.array_equal(states[0][name], states[2][name])


def test_gradients_of_several_batches_add_up():
    engine, together = make(), make()
    for i in range(3):
        engine.gradients(batch(i), (i,))
    parts, losses = [], []
    for i in range(3):
        together.gradients(batch(i), (i,))
        parts.append({n: p.grad.clone() for n, p in together.model.named_parameters()})
        losses.append(together.update(0.0).loss)
    for name, parameter in engine.model.named_parameters():
        torch.testing.assert_close(parameter.grad, sum(part[name] for part in parts))
    step = engine.update(1e-2)
    assert step.loss == pytest.approx(sum(losses), rel=1e-12)
    assert step.tokens == 33


def test_the_seed_alone_decides_the_dropout():
    engine = make()
    first = loss_of(engine, (3, 1))
    torch.rand(5)
    assert loss_of(engine, (3, 1)) == first
    assert loss_of(engine, (3, 2)) != first


def test_evaluation_is_without_dropout_and_smoothing():
    engine = make()
    loss, tokens = engine.evaluate(batch())
    assert (loss, tokens) == engine.evaluate(batch())
    data = batch()
    logits = engine.model(**{n: torch.tensor(ids) for n, ids in data.inputs.items()}).detach()
    log_probs = logits.log_softmax(-1).numpy()
    rows, columns = np.nonzero(data.targets)
    expected = -log_probs[rows, columns, data.targets[rows, columns]].sum()
    assert loss == pytest.approx(expected, rel=1e-12)


@every_optimizer
def test_resuming_goes_on_bit_for_bit(optim):
    through, stopped = make(optim), make(optim)
    losses = train(through, 0, 6)
    first = train(stopped, 0, 3)
    resumed = make(optim)
    resumed.restore(stopped.state())
    assert first + train(resumed, 3, 6) == losses
    assert_same(resumed.state(), through.state())


@every_optimizer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_run_moves_from_one_engine_to_the_other_and_back(optim, dtype):
    atol = 1e-5 if dtype == "float32" else 1e-12
    by_hand = NumpyEngine(config(optim, dtype))
    twin = make(optim, dtype, weights=by_hand.model.state_dict(), replay_dropout=True)
    assert_same(by_hand.state(), twin.state())
    train(by_hand, 0, 3)
    twin.restore(by_hand.state())
    assert_same(twin.state(), by_hand.state())  # nothing is lost on the way
    train(by_hand, 3, 6)
    train(twin, 3, 6)
    if optim.beta1:  # without momentum PyTorch keeps none
        assert_same(moved(twin), moved(by_hand), atol)
    back = NumpyEngine(config(optim, dtype))
    back.restore(twin.state())
    assert_same(back.state(), twin.state())
    assert train(back, 6, 8) == pytest.approx(train(by_hand, 6, 8), rel=atol)


def test_a_state_is_a_copy():
    engine = make()
    before = engine.state()
    kept = {name: array.copy() for name, array in before.items()}
    train(engine, 0, 1)
    assert_same(before, kept)
    assert not np.array_equal(
        engine.state()["optim/m/embedding.weight"], 0 * kept["model/embedding.weight"]
    )


class ReadWhenAsked(Mapping):
    """A state on disk: at most one array of it is in memory at a time."""

    def __init__(self, state: dict[str, np.ndarray]) -> None:
        self.state, self.read = state, weakref.WeakSet()

    def __getitem__(self, key: str) -> np.ndarray:
        array = self.state[key].view(Counted)
        self.read.add(array)
        assert len(self.read) <= 2  # the one before may still have its name
        return array

    def __iter__(self):
        return iter(self.state)

    def __len__(self) -> int:
        return len(self.state)


class Counted(np.ndarray):
    """An array that a weak set can hold."""

    __hash__ = object.__hash__

    def __eq__(self, other):
        return self is other


def test_a_state_is_restored_one_array_at_a_time():
    engine, other = make(), make()
    train(engine, 0, 2)
    other.restore(ReadWhenAsked(engine.state()))
    assert_same(other.state(), engine.state())


@every_optimizer
def test_what_is_saved_is_the_state(optim, tmp_path):
    engine = make(optim, dtype="float32")
    train(engine, 0, 2)
    engine.save(tmp_path)
    found = {
        f"{kind}/{name}": array
        for kind, file in (("model", "model"), ("optim", "optimizer"))
        for name, array in load_file(tmp_path / f"{file}.safetensors").items()
    }
    assert_same(found, engine.state())


def test_weights_alone_leave_the_optimizer_as_it_is():
    engine, other = make(), make()
    train(engine, 0, 2)
    moments = {name: a for name, a in engine.state().items() if name.startswith("optim/")}
    engine.restore({n: a for n, a in other.state().items() if n.startswith("model/")})
    assert_same(engine.state(), {**other.state(), **moments})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.pop("optim/v/embedding.weight"), "lack 'v/embedding.weight'"),
        (lambda s: s.pop("model/embedding.weight"), "lack 'embedding.weight'"),
        (lambda s: s.update({"optim/momentum/x": np.zeros(2)}), "hold 'momentum/x'"),
        (lambda s: s.update({"extra/x": np.zeros(2)}), "'extra/x'"),
        (lambda s: s.update({"optim/step": np.zeros(1, np.int64)}), "'step' is int64"),
        (lambda s: s.update({"optim/step": np.float64(3)}), "'step' is float64"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, says):
    engine = make()
    train(engine, 0, 1)
    before, foreign = engine.state(), make().state()
    change(foreign)
    with pytest.raises(ShapeError, match=says):
        engine.restore(foreign)
    assert_same(engine.state(), before)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_gradient_that_is_not_finite_takes_no_step(bad):
    engine = make()
    train(engine, 0, 2)
    before = engine.state()
    engine.gradients(batch(), (9,))
    name = "decoder.layers.0.feed_forward.linear1.weight"
    engine.model.get_parameter(name).grad[1, 2] = bad
    engine.model.get_parameter("decoder.layers.0.feed_forward.linear2.bias").grad[0] = bad
    with pytest.raises(NonFiniteError, match=name):
        engine.update(1e-2)
    assert_same(engine.state(), before)
    untouched = make()
    untouched.restore(before)
    assert train(engine, 2, 4) == train(untouched, 2, 4)  # the bad gradient is gone


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_takes_no_step_and_says_so(bad):
    engine = make()
    train(engine, 0, 2)
    before = engine.state()
    engine._totals[0] = bad  # as a loss that overflows by itself
    engine.gradients(batch(), (9,))
    with pytest.raises(NonFiniteError, match="though every gradient is finite"):
        engine.update(1e-2)
    assert_same(engine.state(), before)
    weight = engine.model.get_parameter("decoder.layers.0.feed_forward.linear2.bias").data
    kept = weight.clone()
    weight[0] = bad
    engine.gradients(batch(), (9,))
    weight.copy_(kept)
    with pytest.raises(NonFiniteError, match="the loss is nan: the gradient of '[a-z]"):
        engine.update(1e-2)
    assert_same(engine.state(), before)


@pytest.mark.parametrize("size", [1e30, 1e-3])
def test_the_norm_of_a_gradient_whose_squares_overflow(size):
    engine = make(dtype="float32")
    engine.gradients(batch(), (0,))
    for parameter in engine.model.parameters():
        parameter.grad.fill_(size)
    count = sum(p.numel() for p in engine.model.parameters())
    step = engine.update(1e-3)
    assert step.norm == pytest.approx(size * math.sqrt(count) / step.tokens, rel=1e-5)


def test_clipping_bounds_the_norm_of_the_mean_gradient():
    optim = OptimConfig(name="sgd", beta1=0.0)
    free, clipped = make(optim), make(dataclasses.replace(optim, clip_norm=0.25))
    start = free.state()
    clipped.restore(start)
    norms = []
    for engine in (free, clipped):
        engine.gradients(batch(), (0,))
        norms.append(engine.update(1.0).norm)
    assert norms[0] == norms[1] > 0.25  # what is reported is the norm before clipping
    moves = [
        math.sqrt(sum(((e.state()[n] - a) ** 2).sum() for n, a in start.items() if "model" in n))
        for e in (free, clipped)
    ]
    assert moves == pytest.approx([norms[0], 0.25], rel=1e-9)


def test_an_optimizer_without_a_twin_is_named():
    with pytest.raises(ConfigError, match=r"'lamb' has no twin.* no torch_ref/optim/lamb\.py"):
        twin_optimizer("lamb")


class RMSpropOfSettings:
    """An optimizer's arguments, by the names of npformer's settings."""

    def __init__(self, flat, *, beta2=0.99, eps=1e-8, weight_decay=0.0):
        raise NotImplementedError


def test_a_twin_computes_by_the_settings_of_the_numpy_class_and_by_no_other():
    """RMSprop of torch.optim calls beta2 alpha, and would take beta1 for its momentum."""
    values = dataclasses.asdict(OptimConfig(beta1=0.5, beta2=0.75, eps=1e-3))
    given = twin_arguments(RMSpropOfSettings, torch.optim.RMSprop, values)
    assert given == {"alpha": 0.75, "eps": 1e-3, "weight_decay": 0.0}


def test_a_twin_that_lacks_a_setting_is_refused():
    with pytest.raises(ConfigError, match=r"takes beta2 and its twin, .*Adagrad, does not"):
        twin_arguments(RMSpropOfSettings, torch.optim.Adagrad, {})
