"""The NumPy engine: the cut over workers changes no mathematics, and a bad step changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.config import OptimConfig, RunConfig, TrainConfig
from npformer.errors import NonFiniteError, ShapeError
from npformer.models.bert import BERTConfig
from npformer.models.gpt import GPTConfig
from npformer.models.loss import LOSS
from npformer.models.transformer import TransformerConfig
from npformer.nn import Layer, linear
from npformer.ops import cross_entropy_forward
from npformer.ops.z_loss import z_loss_backward, z_loss_forward
from npformer.seam import replacing
from npformer.text.batches import Batch
from npformer.train import token_loss
from npformer.train.adapted import make_trained
from npformer.train.numpy_engine import NumpyEngine
from tests.models.decoders import DEEPSEEK, SIZES


def config_of(
    workers: int = 1, dropout: float = 0.0, again: bool = False, z_loss: float = 0.0, **optim
) -> RunConfig:
    return RunConfig(
        model=TransformerConfig(
            vocab_size=17,
            d_model=8,
            heads=2,
            d_ff=12,
            encoder_layers=1,
            decoder_layers=1,
            dropout=dropout,
            max_length=10,
        ),
        optim=OptimConfig(**optim),
        train=TrainConfig(
            dtype="float64", workers=workers, checkpoint_activations=again, z_loss=z_loss
        ),
    )


def make(*settings, **named) -> NumpyEngine:
    return NumpyEngine(config_of(*settings, **named))


def batch(rows: int = 5, seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    source, target_in, target_out = rng.integers(4, 17, (3, rows, 6))
    target_out[0, 3:] = 0  # PAD
    return Batch.of_pairs(source, target_in, target_out)


@pytest.mark.parametrize("workers", [1, 2])
def test_activations_made_twice_give_the_same_bits_dropout_included(workers: int) -> None:
    kept, again = (make(workers, dropout=0.3, again=again) for again in (False, True))
    for step in range(2):
        for engine in (kept, again):
            engine.gradients(batch(5, step), (0, step))
        assert kept.update(0.01) == again.update(0.01)
    for name, array in kept.state().items():
        np.testing.assert_array_equal(again.state()[name], array, err_msg=name)


def test_a_layer_runs_again_in_a_backward_alone() -> None:
    again = make(again=True)
    ran = []

    def counted(self, *arguments):
        ran.append(self)
        return self.forward(*arguments)

    with replacing({Layer.forward: counted}):
        again.evaluate(batch())
        assert len(ran) == 2
        again.gradients(batch(), (0, 9))
    assert len(ran) == 2 + 2 + 2


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_workers_change_neither_loss_nor_step(rows: int) -> None:
    one, three = make(1, z_loss=0.1), make(3, z_loss=0.1)
    for step in range(3):
        for engine in (one, three):
            engine.gradients(batch(rows, step), (0, step))
        mine, other = one.update(0.01), three.update(0.01)
        assert mine.tokens == other.tokens == batch(rows, step).tokens
        assert mine.loss == pytest.approx(other.loss, rel=1e-13)
        assert mine.norm == pytest.approx(other.norm, rel=1e-10)
    for name, array in one.state().items():
        np.testing.assert_allclose(three.state()[name], array, rtol=1e-6, atol=1e-9, err_msg=name)


SMALL = dict(vocab_size=17, d_model=8, heads=2, d_ff=12, max_length=10, dropout=0.0)
STACKS = dict(encoder_layers=1, decoder_layers=1)
UNTIED = dict(tie_output=False, output_bias=True, share_embeddings=False)
PARTS = {
    "tied": TransformerConfig(**SMALL, **STACKS, scale_output=True),
    "untied": TransformerConfig(**SMALL, **STACKS, **UNTIED),
    "capped": GPTConfig(**SMALL, layers=1, logit_softcap=0.7, output_bias=True),
    "head": BERTConfig(**SMALL, layers=1),
}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", PARTS)
def test_parts_of_logits_and_of_rows_give_the_gradient_of_the_whole(name, workers, monkeypatch):
    """Two batches of 30 rows, of logits four at a time; five rows of a gradient at a time."""
    monkeypatch.setattr(token_loss, "LOGIT_BYTES", 4 * 17 * 8)
    monkeypatch.setattr(linear, "PART", 5 * 8 * 8)
    monkeypatch.setattr(linear, "LARGE", 2)
    config = RunConfig(
        model=PARTS[name],
        train=TrainConfig(dtype="float64", workers=workers, label_smoothing=0.1, z_loss=1e-3),
    )
    engine = NumpyEngine(config)
    plain = make_trained(config, np.random.default_rng(config.train.seed))
    loss = 0.0
    for seed in range(2):
        drawn = batch(5, seed)
        inputs = {stream: drawn.inputs[stream] for stream in plain.streams}
        drawn = Batch(inputs, drawn.targets)
        engine.gradients(drawn, (0, seed))
        logits, cache = plain.forward(**inputs)
        value, of_loss = LOSS.forward(
            logits, drawn.targets, label_smoothing=0.1, ignore_index=0, reduction="sum"
        )
        square, of_square = z_loss_forward(logits, counts=drawn.targets != 0)
        loss += float(value) + 1e-3 * float(square)
        dlogits = LOSS.backward(np.ones(()), of_loss)
        plain.backward(dlogits + z_loss_backward(np.full((), 1e-3), of_square), cache)
    assert engine.loss == pytest.approx(loss, rel=1e-12)
    gradients = dict(engine.model.named_parameters())
    for path, parameter in plain.named_parameters():
        grad = np.zeros_like(parameter.data) if parameter.grad is None else parameter.grad
        ours = gradients[path].grad
        ours = np.zeros_like(grad) if ours is None else ours
        np.testing.assert_allclose(ours, grad, rtol=1e-10, atol=1e-13, err_msg=path)


def test_the_result_is_the_same_every_time() -> None:
    states = []
    for _ in range(2):
        engine = make(workers=2, dropout=0.3)
        for step in range(4):
            engine.gradients(batch(5, step), (0, step))
            engine.update(0.01)
        states.append(engine.state())
    for name, array in states[0].items():
        np.testing.assert_array_equal(states[1][name], array, err_msg=name)


def test_gradients_add_up_over_batches() -> None:
    whole, parts = make(), make()
    full = batch(6)
    whole.gradients(full, (0,))
    for rows in (slice(0, 1), slice(1, 6)):
        parts.gradients(full.rows(rows), (0,))
    assert whole.update(0.01) == pytest.approx(parts.update(0.01), rel=1e-12)


def test_experts_are_balanced_alike_however_a_batch_is_cut() -> None:
    """Over workers and micro-batches: the losses, the loads, and the bias that moves by them."""
    settings = {**SIZES, **DEEPSEEK, "dropout": 0.0, "expert_z_loss": 0.1}
    model = GPTConfig(**{**settings, "max_length": 10})
    states, ids = [], np.random.default_rng(1).integers(4, 17, (4, 6))
    targets = np.where(np.arange(6) < [[6], [3], [6], [1]], ids, 0)
    for workers, cuts in ((1, (0, 4)), (3, (0, 4)), (1, (0, 1, 4))):
        train = TrainConfig(dtype="float64", workers=workers)
        engine = NumpyEngine(RunConfig(model=model, train=train))
        for step in range(2):
            whole = Batch({"target": ids}, np.roll(targets, step, axis=0))
            for start, stop in zip(cuts[:-1], cuts[1:], strict=True):
                engine.gradients(whole.rows(slice(start, stop)), (0, step))
            engine.update(0.01)
        states.append(engine.state())
    assert states[0]["model/decoder.layers.1.feed_forward.balance_bias"].any()
    for other in states[1:]:
        for name, array in states[0].items():
            np.testing.assert_allclose(other[name], array, rtol=1e-6, atol=1e-9, err_msg=name)


def test_evaluation_is_the_plain_loss() -> None:
    engine, pairs = make(workers=2, dropout=0.5), batch()
    loss, tokens = engine.evaluate(pairs)
    logits, _ = engine.model.forward(**pairs.inputs)
    expected, _ = cross_entropy_forward(logits, pairs.targets, ignore_index=0, reduction="sum")
    assert loss == pytest.approx(float(expected), rel=1e-13)
    assert tokens == np.count_nonzero(pairs.targets)


def test_clipping_bounds_the_step_and_not_the_reported_norm() -> None:
    free, bound = make(name="sgd", beta1=0.0), make(name="sgd", beta1=0.0, clip_norm=0.01)
    before = free.state()
    norms = []
    for engine in (free, bound):
        engine.gradients(batch(), (0,))
        norms.append(engine.update(1.0).norm)
    assert norms[0] == norms[1] > 0.01
    moved = [
        np.sqrt(sum(((engine.state()[k] - before[k]) ** 2).sum() for k in before if "model/" in k))
        for engine in (free, bound)
    ]
    assert moved == [pytest.approx(norms[0]), pytest.approx(0.01)]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_gradient_that_is_not_finite_is_named_and_changes_nothing(workers: int) -> None:
    engine = make(workers)
    engine.gradients(batch(), (0,))
    engine.update(0.01)
    before = engine.state()
    weight = engine.model.decoder.layers[0].feed_forward.linear2.bias
    keep = weight.data.copy()
    weight.data[0] = np.inf
    engine.gradients(batch(), (1,))
    weight.data[...] = keep
    with pytest.raises(NonFiniteError, match="gradient of '[a-z]"):
        engine.update(0.01)
    for name, array in engine.state().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    engine.gradients(batch(), (1,))  # nothing of the bad gradient is left
    assert np.isfinite(engine.update(0.01)).all()


def test_a_state_is_a_copy_and_brings_an_engine_back() -> None:
    engine, other = make(), make()
    for step in range(3):
        engine.gradients(batch(5, step), (0, step))
        engine.update(0.01)
        if step == 1:
            saved = engine.state()
    other.restore(saved)
    other.gradients(batch(5, 2), (0, 2))
    other.update(0.01)
    for name, array in engine.state().items():
        np.testing.assert_array_equal(other.state()[name], array, err_msg=name)
    with pytest.raises(ShapeError, match="lack"):
        other.restore({"model/embedding.weight": saved["model/embedding.weight"]})


def test_given_weights_stay_the_callers_and_an_array_under_two_names_ties_none():
    weights = make().model.state_dict()
    biases = [name for name in weights if name.endswith("proj.bias")]
    weights |= dict.fromkeys(biases, np.full(8, 0.1))
    before = {name: array.copy() for name, array in weights.items()}
    engine = NumpyEngine(config_of(), weights=weights)
    assert engine.flat.shapes.keys() == before.keys()
    engine.gradients(batch(), (0,))
    engine.update(0.01)
    assert not np.array_equal(engine.model.state_dict()[biases[0]], before[biases[0]])
    for name, array in weights.items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
