"""The twin's recording: the same tree as the NumPy model's, and nothing changed by looking."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import torch

from npformer.inspect import memory_table, record
from npformer.models.loss import LOSS, NO_TARGET
from npformer.text.batches import Batch
from tests.inspect.models import VARIANTS, make_batch, make_model
from tests.inspect.test_recorder import assert_same
from torch_ref import inspect as twins
from torch_ref.bridge import to_torch
from torch_ref.models.transformer import Transformer as Twin
from torch_ref.ops.cross_entropy import cross_entropy

variants = pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
LIMIT = 1e-13  # of the largest entry of its kind


def pair(**changes):
    model = make_model(**changes)
    twin = Twin(model.config, dtype=torch.float64).eval()
    to_torch(model.state_dict(), twin)
    return model, twin


def generator(seed):
    return None if seed is None else np.random.default_rng(seed)


def assert_close(a, b, what, size=None):
    assert a.shape == b.shape, what
    assert a.dtype == b.dtype, what
    hidden = np.isneginf(a)  # scores
    np.testing.assert_array_equal(hidden, np.isneginf(b), what)
    a, b = a[~hidden], b[~hidden]
    size = np.abs(b).max(initial=1e-3) if size is None else size
    assert np.abs(np.subtract(a, b, dtype=np.float64)).max(initial=0) <= LIMIT * size, what


@variants
@pytest.mark.parametrize("seed", [None, 5])
def test_every_call_agrees_with_the_numpy_models(changes, seed):
    model, twin = pair(**changes)
    batch = make_batch()
    ours = record(model, batch, label_smoothing=0.1, rng=generator(seed))
    theirs = twins.record(twin, batch, label_smoothing=0.1, rng=generator(seed))
    assert theirs.loss == pytest.approx(ours.loss, rel=1e-14)
    assert sorted(ours.paths) == sorted(theirs.paths)
    assert len(ours.calls) == len(theirs.calls)
    largest = max(np.abs(call.doutput).max() for call in theirs.calls if call.path != "loss")
    for call in ours.calls:
        other = theirs.call(call.path, call.call)
        what = f"{call.path} ({call.call})"
        assert call.kind == other.kind, what
        assert call.caller is None or ours.calls[call.caller].path == (
            theirs.calls[other.caller].path
        ), what
        assert (call.caller is None) == (other.caller is None), what
        assert list(call.inputs) == list(other.inputs), what
        assert list(call.dinputs) == list(other.dinputs), what
        for name, array in call.inputs.items():
            assert_close(array, other.inputs[name], f"{what} {name}")
        assert_close(call.output, other.output, f"{what} y")
        assert_close(call.doutput, other.doutput, f"{what} dy", largest)
        for name, array in call.dinputs.items():
            assert_close(array, other.dinputs[name], f"{what} d{name}", largest)
        for name, array in other.internals.items():
            assert_close(call.internals[name], array, f"{what} {name}")
    assert ours.gradients.keys() == theirs.gradients.keys()
    for path, gradient in ours.gradients.items():
        assert_close(gradient, theirs.gradients[path], path, 1.0)
    assert theirs.attention.keys() == ours.attention.keys()


@variants
def test_it_is_in_the_order_of_the_forward_and_of_the_backward(changes):
    _, twin = pair(**changes)
    recording = twins.record(twin, make_batch())
    count = range(len(recording.calls))
    assert [call.forward_order for call in recording.calls] == list(count)
    assert [call.backward_order for call in recording.backward()] == list(count)
    assert recording.calls[0].path == recording.backward()[1].path == ""
    assert recording.calls[-1].path == recording.backward()[0].path == "loss"
    norms = [call for call in recording.calls if call.kind == "LayerNorm"]
    assert sorted(norms, key=lambda call: -call.backward_order) == norms


def ordinary(twin, batch, seed):
    """The gradients without a recorder, and the memory that autograd saved for them."""
    memory = {}

    def save(tensor):
        storage = tensor.untyped_storage()
        memory[storage.data_ptr()] = storage.nbytes()
        return tensor

    inputs = {name: torch.tensor(ids) for name, ids in batch.inputs.items()}
    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        logits = twin(**inputs, rng=generator(seed))
        loss = cross_entropy(logits, torch.tensor(batch.targets), ignore_index=0)
    for parameter in twin.parameters():
        memory.pop(parameter.untyped_storage().data_ptr(), None)
    named = dict(twin.named_parameters())
    found = torch.autograd.grad(loss, list(named.values()))
    return dict(zip(named, found, strict=True)), sum(memory.values())


@variants
@pytest.mark.parametrize("seed", [None, 5])
def test_gradients_and_saved_memory_are_those_of_an_ordinary_run(changes, seed):
    model, twin = pair(**changes)
    batch = make_batch()
    recording = twins.record(twin, batch, rng=generator(seed))
    gradients, saved = ordinary(twin, batch, seed)
    for path, gradient in gradients.items():
        np.testing.assert_allclose(
            recording.gradients[path], gradient.numpy(), rtol=0, atol=1e-15, err_msg=path
        )
    assert sum(call.cache_bytes for call in recording.calls) == saved
    assert memory_table(record(model, batch), recording).twin_total == saved


def insides(twin):
    return {
        (path, name): id(value)
        for path, module in twin.named_modules()
        for name, value in vars(module).items()
        if not name.startswith("_")
    } | {path: id(parameter.grad) for path, parameter in twin.named_parameters()}


@pytest.mark.parametrize("training", [False, True])
def test_the_twin_is_afterwards_as_it_was(training):
    _, twin = pair(dropout=0.5)
    twin.train(training)
    twin.embedding.weight.grad = torch.ones_like(twin.embedding.weight)
    before = insides(twin)
    recording = twins.record(twin, make_batch())
    assert insides(twin) == before
    assert all(module.training == training for module in twin.modules())
    assert bool((twin.embedding.weight.grad == 1).all())
    # Without a generator nothing is dropped, whatever the mode.
    assert recording.loss == twins.record(twin, make_batch()).loss


def test_an_exception_leaves_the_twin_as_it_was():
    _, twin = pair()
    batch = make_batch()
    batch.inputs["target"][0, 0] = 99
    before = insides(twin)
    with pytest.raises(IndexError):
        twins.record(twin, batch)
    assert insides(twin) == before
    batch.inputs["target"][0, 0] = 5
    assert np.isfinite(twins.record(twin, batch).loss)


def test_a_query_that_may_attend_to_nothing_has_no_attention_and_no_gradient():
    model, twin = pair()
    batch = make_batch()
    batch.inputs["source"][1] = 0
    path = "decoder.layers.0.cross_attn.attention"
    ours, theirs = record(model, batch)[path], twins.record(twin, batch)[path]
    assert np.isneginf(theirs.internals["scores"][1]).all()
    assert_close(ours.internals["scores"], theirs.internals["scores"], "scores")
    for name in ("probs", "dprobs", "dscores"):
        assert np.isfinite(theirs.internals[name]).all()
        assert_close(ours.internals[name], theirs.internals[name], name)
    assert not theirs.internals["probs"][1].any()
    assert not theirs.internals["dscores"][1].any()


def test_threads_may_each_record_a_twin_at_once():
    batch, seeds = make_batch(), (0, 1)
    twin_of = [pair(seed=seed)[1] for seed in seeds]
    alone = [twins.record(twin, batch, rng=generator(5)) for twin in twin_of]
    together = Barrier(2)

    def recorded(twin):
        # Both are in the middle of their forward when the decoder begins.
        twin.decoder.register_forward_pre_hook(lambda *_: (together.wait(timeout=60), None)[1])
        return twins.record(twin, batch, rng=generator(5))

    with ThreadPoolExecutor(2) as threads:
        for mine, expected in zip(threads.map(recorded, twin_of), alone, strict=True):
            assert_same(mine, expected)


@pytest.mark.parametrize("same", [True, False], ids=["same", "other"])
def test_two_twins_may_be_recorded_one_inside_the_other(same):
    outer = pair()[1]
    inner = outer if same else pair(norm="pre")[1]
    batch, found = make_batch(), []
    alone, expected = twins.record(outer, batch), twins.record(inner, batch)

    def look(*_):
        if not found:
            found.append(None)
            found[0] = twins.record(inner, batch)

    handle = outer.encoder.register_forward_pre_hook(look)
    around = twins.record(outer, batch)
    handle.remove()
    assert_same(found[0], expected)
    assert_same(around, alone)


def test_padding_that_is_a_target_too_has_its_loss():
    """As where the id that ends a text fills a batch; NumPy's recording has the same."""
    model = make_model()
    batch = make_batch()
    targets = batch.targets.copy()
    targets[:, -1] = model.config.padding_id
    batch = Batch(batch.inputs, targets, NO_TARGET)
    twin = Twin(model.config, dtype=torch.float64)
    to_torch(model.state_dict(), twin)
    logits, _ = model.forward(**batch.inputs)
    loss, _ = LOSS.forward(logits, targets, ignore_index=None)
    assert record(model, batch).loss == pytest.approx(loss, rel=1e-12)
    assert twins.record(twin, batch).loss == pytest.approx(loss, rel=1e-12)
