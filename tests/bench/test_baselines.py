"""The models that the twin is measured against are the twin's own model, by others' code."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from npformer.bench.marian import MarianEngine
from npformer.config import RunConfig
from npformer.decode.beam import beam
from npformer.decode.greedy import greedy
from npformer.errors import ConfigError, NonFiniteError, ShapeError
from npformer.text.batches import Batch
from npformer.text.tokenizer import BOS, EOS, PAD
from npformer.verify.true_float64 import exact
from tests.bench.baselines import (
    BASELINES,
    LLAMA,
    MODEL,
    baseline,
    ragged_batch,
    run_config,
    twin_off_its_start,
    weights,
)

pytestmark = [  # of torch.nn.Transformer's, about its faster way of inference
    pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors"),
    pytest.mark.filterwarnings("ignore:enable_nested_tensor is True"),
]


@pytest.fixture(autouse=True)
def _needs_transformers(request):
    if "marian" in request.node.name:
        pytest.importorskip("transformers", reason="MarianMTModel needs the extra marian")


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu"])
@pytest.mark.parametrize("name", BASELINES)
def test_it_trains_as_the_twin_does_from_the_same_weights(name, activation):
    trains_as_the_twin(name, run_config(dataclasses.replace(MODEL, activation=activation)))


def test_llama_trains_as_the_twin_of_a_decoder_alone_does():
    pytest.importorskip("transformers", reason="LlamaForCausalLM needs the extra marian")
    with exact():  # its norms and rotations ask for float32 by name
        trains_as_the_twin("llama", run_config(LLAMA))


def trains_as_the_twin(name: str, config: RunConfig) -> None:
    """Loss, norm of the gradient, and all weights after two updates, through padding and masks."""
    twin = twin_off_its_start(config)
    engine, renamed = baseline(name, config)
    engine.restore({f"model/{n}": a for n, a in renamed(weights(twin)).items()})
    assert engine.parameter_count == sum(a.size for a in weights(twin).values())
    for update in range(2):
        batch = ragged_batch(update)
        read = {stream: batch.inputs[stream] for stream in twin.model.streams}
        batch = Batch(read, batch.targets)
        assert engine.evaluate(batch) == pytest.approx(twin.evaluate(batch), rel=1e-12)
        for one in (twin, engine):
            one.gradients(batch, (0, update))
        ours, theirs = twin.update(1e-3), engine.update(1e-3)
        assert theirs == pytest.approx(ours, rel=1e-12)
    after = weights(engine)
    expected = renamed(weights(twin))
    assert after.keys() == expected.keys()
    for path, array in after.items():
        # Adam divides by a root of the gradient's square: where that is all rounding, it is 1e-3.
        np.testing.assert_allclose(array, expected[path], rtol=0, atol=1e-7, err_msg=path)


@pytest.mark.parametrize("name", BASELINES)
def test_it_translates_as_the_twin_does(name):
    config = run_config()
    twin = twin_off_its_start(config)
    engine, renamed = baseline(name, config)
    engine.restore({f"model/{n}": a for n, a in renamed(weights(twin)).items()})
    ids = ragged_batch().inputs["source"]
    for search in (greedy, lambda *a, **k: beam(*a, beam=3, **k)):
        found = [search(m, ids, bos=BOS, eos=EOS, max_length=9) for m in (twin.model, engine.model)]
        assert found[0] == found[1]
        assert any(found[0])


def test_marian_generates_what_our_search_finds_through_its_cache():
    engine, _ = baseline("marian", run_config())
    ids = ragged_batch().inputs["source"]
    # PAD for an end token, which our search never chooses: neither stops before the limit.
    ours = greedy(engine.model, ids, bos=BOS, eos=PAD, max_length=8)
    theirs = engine.generate(ids, eos_token_id=None, max_new_tokens=8, suppress_tokens=[PAD, BOS])
    assert ours == theirs
    assert [len(row) for row in engine.generate(ids, num_beams=4, eos_token_id=None,
                                                max_new_tokens=5)] == [5, 5, 5]  # fmt: skip


def test_marian_ends_a_row_at_its_end_token():
    engine, _ = baseline("marian", run_config())
    ids = ragged_batch().inputs["source"]
    whole = engine.generate(ids, eos_token_id=None, max_new_tokens=6)
    end = whole[0][3]
    for ended, row in zip(
        engine.generate(ids, eos_token_id=end, max_new_tokens=6), whole, strict=True
    ):
        assert ended == (row[: row.index(end)] if end in row else row)


@pytest.mark.parametrize("name", BASELINES)
def test_dropout_is_where_the_paper_has_it_and_follows_from_the_seed(name):
    engine, _ = baseline(name, run_config(dataclasses.replace(MODEL, dropout=0.5)))
    batch, losses = ragged_batch(), []
    for seed in ((1, 2), (1, 2), (1, 3)):
        engine.gradients(batch, seed)
        losses.append(engine.update(0.0).loss)
    assert losses[0] == losses[1] != losses[2]
    rates = {
        (type(part).__name__, part.dropout if isinstance(part.dropout, float) else part.dropout.p)
        for part in engine.module.modules()
        if hasattr(part, "dropout")
    }
    inside = {"MarianAttention", "MultiheadAttention"}  # and TransformerEncoderLayer.dropout
    for kind, rate in rates:
        assert rate == (0.0 if kind in inside or kind.startswith("Transformer") else 0.5), kind


@pytest.mark.parametrize("name", BASELINES)
def test_a_step_that_is_not_finite_is_not_taken(name):
    engine, _ = baseline(name, run_config())
    before = engine.state()
    engine.gradients(ragged_batch(), (0,))
    parameters = dict(engine.module.named_parameters())
    path = next(name for name, p in parameters.items() if "layers.1" in name and p.requires_grad)
    parameters[path].grad[0] = np.nan
    with pytest.raises(NonFiniteError, match=path):
        engine.update(1e-3)
    after = engine.state()
    assert all(np.array_equal(after[n], before[n]) for n in before)


@pytest.mark.parametrize("name", BASELINES)
def test_a_foreign_state_is_refused_and_changes_nothing(name):
    engine, _ = baseline(name, run_config())
    before = engine.state()
    for wrong in (
        {**before, "else/x": np.zeros(1)},
        {n: a for n, a in before.items() if n != "optim/step"},
        {**before, "model/more": np.zeros(1)},
    ):
        with pytest.raises(ShapeError):
            engine.restore(wrong)
    after = engine.state()
    assert all(np.array_equal(after[n], before[n]) for n in before)


@pytest.mark.parametrize("change", [{"norm": "pre"}, {"tie_output": False}, {"d_k": 5}, {"d_v": 5}])
@pytest.mark.parametrize("name", BASELINES)
def test_what_it_cannot_have_is_refused(name, change):
    model = dataclasses.replace(MODEL, **change)
    with pytest.raises(ConfigError, match=next(iter(change))):
        baseline(name, run_config(model))


@pytest.mark.parametrize(("given", "std"), [(None, 0.02), (0.05, 0.05)])
def test_marian_s_first_weights_are_as_wide_as_it_is_told(given, std):
    model = dataclasses.replace(MODEL, vocab_size=200, d_model=64, d_ff=64, init_std=given)
    engine = MarianEngine(run_config(model))
    for name in ("model.shared.weight", "model.decoder.layers.1.fc1.weight"):
        assert weights(engine)[name].std() == pytest.approx(std, rel=0.05)
