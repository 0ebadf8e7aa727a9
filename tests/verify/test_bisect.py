"""Two implementations in lockstep: nothing in the right ones, and the one wrong step in others."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from rich.console import Console

from npformer import nn
from npformer.errors import ShapeError, VerifyError
from npformer.models import Transformer
from npformer.verify import bisect
from npformer.verify.lockstep.plant import find_mutant, plant, sites
from npformer.verify.mutants import MUTANTS
from tests.verify.bisect_models import VARIANTS, make_batch, make_model, make_twin, right

BATCH = make_batch()
ENGINES = ("numpy", "torch")


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("ours", ENGINES)
@pytest.mark.parametrize("reference", ENGINES)
def test_right_implementations_differ_by_rounding(variant, ours, reference):
    changes, seed = VARIANTS[variant]
    model = make_model(2, **changes)
    sides = {"numpy": model, "torch": make_twin(model)}
    batch = make_batch(model.config.padding_id, model.streams)
    found = bisect(sides[ours], sides[reference], batch, seed=seed, label_smoothing=0.1)
    assert found, str(found)
    assert found.findings == ()
    assert max(row.forward_local for row in found.growth) <= 4
    assert max(row.backward_local for row in found.growth) <= 4
    assert max(max(row.forward, row.backward) for row in found.growth) < 1e-10
    assert found.loss == pytest.approx(found.reference_loss, rel=1e-12)
    assert "None of" in str(found)


def test_float32_is_measured_in_its_own_rounding():
    model = make_model(2, np.float32)
    found = bisect(model, make_twin(make_model(2)), BATCH, seed=1)
    assert found, str(found)
    assert found.dtype == "float32"
    assert 0.1 < max(row.forward_local for row in found.growth) <= 4
    assert 1e-8 < max(row.forward for row in found.growth) < 1e-5


def test_a_gradient_of_another_dtype_is_found_in_float32():
    model = make_model(2, np.float32)
    path = "decoder.layers.1.feed_forward.linear2"
    with plant(MUTANTS["linear/double-out"], model, path):
        found = bisect(model, model, BATCH)
    assert found.gradient is not None
    assert found.gradient.path == path
    assert "comes in float64" in found.gradient.message


@pytest.mark.parametrize(
    ("name", "path", "method", "operation"),
    [
        ("attention/scale-forgotten", "self_attn", "attention", "the scale of the scores"),
        ("attention/causal-leak", "self_attn", "attention", "the mask"),
        ("attention/mask-after-softmax", "self_attn", "attention", "the softmax"),
        ("attention/softmax-diagonal", "cross_attn", "attention",
         "the softmax's backward, dscores"),
        ("attention/scale-missing-from-dk", "cross_attn", "attention", "the scale of dk"),
        ("attention/dv-from-uniform-weights", "cross_attn", "attention", "probs^T dy"),
        ("MultiHeadAttention/heads-not-permuted-back", "self_attn", "forward",
         "the merge of the heads' dq"),
        ("MultiHeadAttention/values-forgotten", "cross_attn", "forward",
         "the sum of the keys' and the values' gradients"),
        ("MultiHeadAttention/keys-forgotten", "self_attn", "forward",
         "the sum of the queries', the keys' and the values' gradients"),
        ("MultiHeadAttention/causal-ignored", "self_attn", "forward", "the causal mask"),
        ("Residual/skip-dropped", "self_attn_residual", "forward", "the skip path"),
        ("Residual/skip-doubled", "cross_attn_residual", "forward", "the skip path"),
        ("Residual/dropout-on-skip", "cross_attn_residual", "forward", "the skip path"),
        ("layer_norm/unbiased-variance", "cross_attn_residual.norm", "layer_norm",
         "the deviation, rstd"),
        ("layer_norm/bias-last-row", "cross_attn_residual.norm", "layer_norm",
         "the sum of dy over the rows"),
        ("dropout/gradient-unscaled", "self_attn_residual.dropout", "dropout",
         "the factor 1 / (1 - p)"),
        ("dropout/mask-inverted", "self_attn_residual.dropout", "dropout", "the mask"),
        ("linear/bias-dropped", "self_attn.q_proj", "linear", "the bias"),
        ("linear/swapped-factors", "feed_forward.linear1", "linear", "dy^T x"),
        ("relu/leaky", "feed_forward.activation", "relu", "its derivative"),
        ("FeedForward/activation-skipped", "feed_forward", "forward", "the call of activation"),
        ("Linear/bias-not-accumulated", "feed_forward.linear1", "forward",
         "what is added to the gradient of bias"),
        ("Layer/memory-gradient-lost", "", "forward", "the memory's gradient"),
    ],
)  # fmt: skip
def test_the_step_within_a_layer_has_a_name(name, path, method, operation):
    side = right("the paper's")
    layer = "decoder.layers.2"
    with plant(MUTANTS[name], side.model, f"{layer}.{path}".rstrip(".")) as loss:
        found = side.reference.judge(side.model, loss)
    first = found.findings[0]
    operations = {finding.operation for finding in found.findings}
    assert first.path == f"{layer}.{path}".rstrip(".")
    assert first.method == method
    assert operation in operations


def test_a_sum_of_a_layer_in_parallel_is_named_with_the_residual_around_it():
    side = right("a decoder alone: halves that turn, the exact form of geglu, factors, in parallel")
    with plant(MUTANTS["Layer/parallel-attention-alone"], side.model, "decoder.layers.2") as loss:
        (found,) = side.reference.judge(side.model, loss).findings
    assert (found.path, found.phase) == ("decoder.layers.2.self_attn_residual", "backward")
    assert found.operation == "the branch's gradient"


@pytest.mark.parametrize(
    ("name", "path", "operation"),
    [
        ("Stack/memory-averaged", "decoder", "the sum of the memory's gradient over the layers"),
        ("Stack/mask-in-first-layer-only", "encoder", "the mask passed on"),
        ("Transformer/root-missing-from-gradient", "", "the factor sqrt(D)"),
        ("Transformer/tied-without-projection", "", "the call of embedding.project"),
        ("Transformer/gradient-replaced", "embedding.weight",
         "the sum of the gradients of its uses"),
        ("Transformer/root-on-projection", "", "the call of embedding.project"),
        ("Transformer/padding-attended", "", "the padding mask"),
        ("Transformer/source-embedding-frozen", "", "the call of _embed"),
        ("cross_entropy/mean-over-all-tokens", "loss", "the mean's divisor"),
        ("cross_entropy/divided-twice", "loss", "the mean's divisor"),
        ("cross_entropy/ignored-rows-trained", "loss", "the rows that are ignored"),
        ("embedding/repeats-lost", "embedding", "the sum over the places of a word"),
    ],
)  # fmt: skip
def test_the_step_outside_the_layers_has_a_name(name, path, operation):
    side = right("the paper's")
    with plant(MUTANTS[name], side.model, path) as loss:
        found = side.reference.judge(side.model, loss)
    assert found.findings[0].path == path.removesuffix(".weight")
    assert operation in {finding.operation for finding in found.findings}


def test_the_twin_as_reference_names_the_same():
    model = make_model(2)
    twin = make_twin(model)
    for name in (
        "linear/weight-averaged",
        "attention/finite-mask",
        "layer_norm/mean-term-dropped",
        "Layer/gradient-of-last-half",
        "Stack/memory-of-last-layer",
        "Transformer/tied-without-lookup",
        "cross_entropy/sign",
    ):
        path = sites(MUTANTS[name], model)[-1]
        with plant(MUTANTS[name], model, path) as loss:
            by = [
                bisect(model, right_side, BATCH, label_smoothing=0.1, loss=loss)
                for right_side in (model, twin)
            ]
        named = [{(f.path, f.phase, f.method, f.operation) for f in b.findings} for b in by]
        assert named[0] == named[1] != set(), name


def test_two_mistakes_are_both_named():
    model = make_model(2)
    one, other = "encoder.layers.0.self_attn", "decoder.layers.1.feed_forward.activation"
    with (
        plant(MUTANTS["attention/scale-forgotten"], model, one),
        plant(MUTANTS["relu/leaky"], model, other),
    ):
        found = bisect(model, model, BATCH)
    assert found.activation is not None
    assert found.gradient is not None
    assert found.activation.path == one
    assert found.gradient.path == other
    assert {f.path for f in found.findings} == {found.activation.path, found.gradient.path}


def test_the_error_grows_from_where_the_mistake_is():
    model = make_model(3)
    path = "encoder.layers.1.feed_forward"
    with plant(MUTANTS["layer_norm/unbiased-variance"], model, f"{path}_residual.norm"):
        growth = bisect(model, model, BATCH).growth
    rows = {(row.path, row.method): row for row in growth if row.number == 0}
    assert rows[path, "forward"].forward == 0.0
    assert rows["encoder.layers.1", "forward"].forward > 1e-3
    assert rows["encoder.layers.2", "forward"].forward > 1e-3
    assert rows["encoder.layers.2", "forward"].forward_within == 0.0
    assert rows["encoder.layers.1", "forward"].forward_local == 0.0
    assert rows["encoder.layers.1", "forward"].forward_within > 1e10


def test_both_models_are_left_as_they_were():
    model = make_model(1)
    twin = make_twin(model).train()
    for parameter in model.parameters():
        parameter.grad = np.ones_like(parameter.data)
    before = model.state_dict()
    vars_before = {path: dict(vars(m)) for path, m in model.named_modules()}
    bisect(model, twin, BATCH, seed=0)
    bisect(twin, model, BATCH, seed=0)
    assert all((p.grad == 1).all() for p in model.parameters())
    assert all(p.grad is None for p in twin.parameters())
    assert twin.training
    assert vars_before == {path: dict(vars(m)) for path, m in model.named_modules()}
    assert all(model.state_dict()[name] is array for name, array in before.items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in twin.modules())


def test_two_threads_at_once():
    models = [make_model(2), make_model(3, norm="pre")]
    paths = ["encoder.layers.1.self_attn", "decoder.layers.2.cross_attn"]
    names = ["attention/scale-forgotten", "attention/scale-missing-from-dk"]

    def find(index):
        model, found = models[index], []
        for reference in (model, make_twin(model)):
            with plant(MUTANTS[names[index]], model, paths[index]):
                found.append(bisect(model, reference, BATCH))
            found.append(bisect(make_twin(model), reference, BATCH))
        return found

    with ThreadPoolExecutor(2) as pool:
        for index, found in enumerate(pool.map(find, range(2))):
            assert [bool(one) for one in found] == [False, True, False, True]
            for one in found[::2]:
                assert {f.path for f in one.findings} == {paths[index]}


def test_the_result_as_text_table_and_json():
    side = right("the paper's")
    with plant(MUTANTS["attention/scale-twice"], side.model, "encoder.layers.4.self_attn"):
        found = side.reference.judge(side.model)
    assert not found
    text = str(found)
    assert "Every activation is what its inputs explain." in text
    assert "encoder.layers.4.self_attn, attention: the scale of dq" in text
    console = Console(file=io.StringIO(), width=100)
    console.print(found.table())
    shown = console.file.getvalue()
    assert "encoder.layers.5" in shown
    assert "  self_attn attention" in shown
    console.print(found.table(every_call=True))
    assert "encoder.layers.5.self_attn.q_proj linear" in console.file.getvalue()
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["findings"][0]["path"] == "encoder.layers.4.self_attn"
    assert len(plain["growth"]) == len(found.growth) == found.calls


def test_an_exception_of_the_implementation_is_placed():
    class Breaks(nn.FeedForward):
        def backward(self, dy, cache):
            raise RuntimeError("not written yet")

    model = make_model(1)
    model.decoder.layers[0].feed_forward.__class__ = Breaks
    said = r"stopped in decoder.layers.0.feed_forward, in the backward: RuntimeError: not written"
    with pytest.raises(VerifyError, match=said):
        bisect(model, make_model(1), BATCH)


@pytest.mark.parametrize(
    ("ours", "error", "said"),
    [
        (lambda: Transformer, VerifyError, "ours is the class Transformer itself"),
        (lambda: [1], VerifyError, "ours is a list without named_modules"),
        (lambda: make_model(2), ShapeError, "ours has a parameter 'encoder.layers.1"),
        (lambda: make_model(1, d_ff=6), ShapeError, "has shape"),
        (lambda: make_model(1, tie_output=False), ShapeError, "'output_proj.weight'"),
    ],
    ids=["a class", "a list", "more layers", "wider", "untied"],
)
def test_what_is_no_pair_of_models_is_refused(ours, error, said):
    with pytest.raises(error, match=said):
        bisect(ours(), make_model(1), BATCH)


def test_mutants_and_places_that_do_not_exist():
    model = make_model(1)

    def with_mutant(name, path):
        with plant(MUTANTS[name], model, path):
            pass

    with pytest.raises(VerifyError, match="does not exist; .* did you mean 'relu/leaky'"):
        find_mutant("relu/leeky")
    with pytest.raises(VerifyError, match="which does not exist; did you mean 'decoder.layers.0"):
        with_mutant("relu/leaky", "decoder.layers.0.feedforward.activation")
    with pytest.raises(VerifyError, match="which is no place for it"):
        with_mutant("relu/leaky", "decoder.layers.0")
    with pytest.raises(
        VerifyError, match="no place in this model; choose one of those of .*linear"
    ):
        with_mutant("softmax/zero", "decoder.layers.0")
