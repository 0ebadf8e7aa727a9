"""``record``: it sees everything, and changes nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from npformer.inspect import record
from npformer.nn import Linear, Residual
from npformer.ops.attention import attention_backward, attention_forward
from tests.inspect.models import VARIANTS, generator, make_batch, make_model, ordinary

variants = pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)


def insides(model):
    """Everything that hangs on a module of the tree, by identity."""
    return {
        (path, name): id(value)
        for path, module in model.named_modules()
        for name, value in vars(module).items()
    } | {path: id(p.grad) for path, p in model.named_parameters()}


@variants
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", [None, 7])
def test_the_gradients_are_those_of_an_ordinary_backward_bit_for_bit(changes, dtype, seed):
    model, batch = make_model(dtype, **changes), make_batch()
    recording = record(model, batch, rng=generator(seed), label_smoothing=0.1)
    logits, loss, _, gradients = ordinary(model, batch, seed, 0.1)
    assert recording.loss == float(loss)
    np.testing.assert_array_equal(recording[""].output, logits)
    assert recording.gradients.keys() == gradients.keys()
    for path, gradient in gradients.items():
        np.testing.assert_array_equal(recording.gradients[path], gradient, err_msg=path)
        assert recording.gradients[path].dtype == dtype


@variants
def test_the_model_is_afterwards_as_it_was(changes):
    model, batch = make_model(**changes), make_batch()
    kept = np.full(12, 5.0)
    model.decoder.layers[1].feed_forward.linear1.bias.grad = kept
    before, rng = insides(model), np.random.default_rng(3)
    record(model, batch, rng=rng)
    assert insides(model) == before
    assert (kept == 5).all()


def broken(*arguments):
    raise ZeroDivisionError


@pytest.mark.parametrize("method", ["forward", "backward"])
def test_an_exception_leaves_the_model_as_it_was(method):
    model = make_model()
    model.embedding.weight.grad = np.ones_like(model.embedding.weight.data)
    setattr(model.encoder.layers[1].self_attn.k_proj, method, broken)
    before = insides(model)
    with pytest.raises(ZeroDivisionError):
        record(model, make_batch())
    assert insides(model) == before
    assert (model.embedding.weight.grad == 1).all()


@variants
def test_every_module_is_there_and_every_op_that_is_none(changes):
    model = make_model(**changes)
    recording = record(model, make_batch())
    modules = {path: type(module) for path, module in model.named_modules()}
    ops = {f"{path}.attention" for path in modules if path.endswith("_attn")}
    assert set(recording.paths) == set(modules) | ops | {"loss"}
    for call in recording.calls:
        if call.path in modules:
            assert call.kind.partition(".")[0] == modules[call.path].__name__
    activation = recording["decoder.layers.0.feed_forward.activation"]
    assert activation.kind == "Activation"
    assert activation.op == changes.get("activation", "relu").removesuffix("_tanh")


def test_a_module_that_runs_several_times_has_as_many_calls():
    recording = record(make_model(), make_batch())

    def kinds(path):
        return [call.kind for call in recording.calls if call.path == path]

    assert kinds("embedding") == ["Embedding", "Embedding", "Embedding.project"]
    assert [recording.call("embedding", n).output.shape for n in range(3)] == [
        (3, 6, 8), (3, 5, 8), (3, 5, 17),
    ]  # fmt: skip
    assert kinds("decoder.layers.1.cross_attn_residual") == ["Residual"]
    untied = record(make_model(tie_output=False), make_batch())
    assert untied["output_proj"].kind == "Linear"
    with pytest.raises(KeyError, match="was called 2 times; there is no call 2"):
        untied.call("embedding", 2)


@variants
def test_a_module_begins_before_what_is_inside_it_forwards_and_backwards(changes):
    recording = record(make_model(**changes), make_batch())
    count = range(len(recording.calls))
    assert [call.forward_order for call in recording.calls] == list(count)
    assert [call.backward_order for call in recording.backward()] == list(count)
    assert recording.calls[0].path == ""
    assert recording.calls[-1].path == recording.backward()[0].path == "loss"
    for call in recording.calls:
        if call.path.count(".") > 1:
            parent = recording[call.path.rpartition(".")[0].removesuffix(".layers")]
            assert parent.forward_order < call.forward_order
            assert parent.backward_order < call.backward_order
        if call.caller is not None:
            caller = recording.calls[call.caller]
            assert caller.forward_order < call.forward_order
            assert caller.backward_order < call.backward_order
            assert call in recording.calls_of(caller)
    assert [c.path for c in recording.calls if c.caller is None] == ["", "loss"]
    residual = recording["decoder.layers.0.cross_attn_residual"]
    assert "decoder.layers.0.cross_attn" in [c.path for c in recording.calls_of(residual)]
    # One after the other forwards, and backwards in the other order; only the order of queries,
    # keys and values is free.
    leaves = [c for c in recording.calls if c.kind in ("LayerNorm", "Embedding", "cross_entropy")]
    assert sorted(leaves, key=lambda call: -call.backward_order) == leaves


@variants
def test_every_call_shows_what_its_module_computes(changes):
    model = make_model(**changes)
    recording = record(model, make_batch(), rng=np.random.default_rng(1))
    modules = dict(model.named_modules())
    for call in recording.calls:
        module = modules.get(call.path)
        if isinstance(module, Linear):
            x, weight = call.inputs["x"], module.weight.data
            bias = 0 if module.bias is None else module.bias.data
            np.testing.assert_allclose(call.output, x @ weight.T + bias, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(call.dinputs["x"], call.doutput @ weight, atol=1e-12)
        for name, gradient in call.dinputs.items():
            assert gradient.shape == call.inputs[name].shape
        assert call.doutput.shape == call.output.shape
        no_gradient = call.inputs.keys() - call.dinputs.keys()
        assert all(call.inputs[name].dtype.kind in "bi" for name in no_gradient)
    if model.output_proj is None:
        tied, weight = recording.call("embedding", 2), model.embedding.weight.data
        np.testing.assert_allclose(tied.output, tied.inputs["x"] @ weight.T, atol=1e-12)
        assert tied.inputs.keys() == {"x"}  # the weight is a parameter, not an input


@variants
def test_attention_shows_its_probabilities_and_their_gradients(changes):
    recording = record(make_model(**changes), make_batch())
    found = [call for call in recording.calls if call.kind == "attention"]
    assert list(recording.attention) == [c.path.removesuffix(".attention") for c in found]
    for call in found:
        causal = "decoder" in call.path and "self_attn" in call.path
        y, cache = attention_forward(**call.inputs, causal=causal)
        np.testing.assert_array_equal(call.output, y)
        np.testing.assert_array_equal(call.internals["probs"], cache.probs)
        dq, dk, dv = attention_backward(call.doutput, cache)
        for name, gradient in (("q", dq), ("k", dk), ("v", dv)):
            np.testing.assert_array_equal(call.dinputs[name], gradient)
        probs, dprobs, dscores = (call.internals[n] for n in ("probs", "dprobs", "dscores"))
        # y = probs v, so <dprobs, probs> is <dy, y>, query by query.
        np.testing.assert_allclose(
            (dprobs * probs).sum(axis=(1, 3)),
            np.einsum("btnh,btnh->bt", call.doutput, call.output),
            atol=1e-12,
        )
        np.testing.assert_allclose(dscores.sum(axis=3), 0, atol=1e-12)
        k = call.inputs["k"]
        np.testing.assert_allclose(
            np.einsum("bnts,bsnh->btnh", dscores, k) / np.sqrt(k.shape[3]), dq, atol=1e-12
        )


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_the_shares_of_an_array_add_up_to_its_gradient(norm):
    model = make_model(norm=norm, decoder_layers=3)
    recording = record(model, make_batch())
    # The memory: every decoder layer sends back a share.
    shares = [recording[f"decoder.layers.{i}.cross_attn"].dinputs["memory"] for i in range(3)]
    np.testing.assert_allclose(sum(shares), recording["encoder"].doutput, rtol=1e-13, atol=1e-15)
    # The stream: the skip path's share and the branch's, at every residual.
    stream = recording["decoder"].dinputs["x"]
    for path, module in model.named_modules():
        if isinstance(module, Residual) and path.startswith("decoder"):
            residual, normed = recording[path], recording[f"{path}.norm"].dinputs["x"]
            branch = recording[path.removesuffix("_residual")].dinputs["x"]
            shares = (normed, branch) if norm == "post" else (residual.doutput, normed)
            np.testing.assert_allclose(sum(shares), stream, atol=1e-15)
            np.testing.assert_allclose(residual.dinputs["x"], stream, atol=1e-15)
            stream = residual.doutput
    # Self-attention: its queries' share, its keys' and its values'.
    path = "encoder.layers.0.self_attn"
    shares = [recording[f"{path}.{name}_proj"].dinputs["x"] for name in "qkv"]
    np.testing.assert_allclose(sum(shares), recording[path].dinputs["x"], atol=1e-15)


def test_the_dropout_is_drawn_from_the_generator():
    model, batch = make_model(), make_batch()
    first, again, other = (
        record(model, batch, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert first.loss == again.loss != other.loss
    assert 0 < first["dropout"].internals["keep"].mean() < 1
    assert "keep" not in record(model, batch)["dropout"].internals


def test_two_models_may_be_recorded_one_inside_the_other():
    # The outer one sees nothing of the inner one's model, and of its loss.
    model, other, batch = make_model(), make_model(seed=1), make_batch()
    expected = record(other, batch)
    inner = []
    original = model.encoder.forward

    def forward(*arguments, **named):
        inner.append(record(other, batch))
        return original(*arguments, **named)

    model.encoder.forward = forward
    outer = record(model, batch)
    assert inner[0].loss == expected.loss
    assert outer.loss == record(make_model(), batch).loss
    assert len(outer.calls) == len(expected.calls)


def test_threads_may_each_record_a_model_at_once():
    batch, seeds = make_batch(), (0, 1)
    alone = [record(make_model(seed=seed), batch, rng=generator(seed)) for seed in seeds]
    together = Barrier(2)

    def recorded(seed):
        model = make_model(seed=seed)
        original = model.decoder.forward

        def forward(*arguments, **named):  # both are in the middle of their forward here
            together.wait(timeout=60)
            return original(*arguments, **named)

        model.decoder.forward = forward
        return record(model, batch, rng=generator(seed))

    with ThreadPoolExecutor(2) as threads:
        for mine, expected in zip(threads.map(recorded, seeds), alone, strict=True):
            assert_same(mine, expected)


def assert_same(mine, expected):
    """Two recordings, bit for bit."""
    assert mine.loss == expected.loss
    assert len(mine.calls) == len(expected.calls)
    for call, other in zip(mine.calls, expected.calls, strict=True):
        for name, value in vars(other).items():
            np.testing.assert_equal(getattr(call, name), value, err_msg=f"{call.path} {name}")
    np.testing.assert_equal(mine.gradients, expected.gradients)
