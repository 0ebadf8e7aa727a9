"""The page's numbers are the recording's, and its order that of the two passes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from npformer.errors import NpformerError
from npformer.explorer import flow, page_data
from npformer.explorer.arrays import decode, encode
from npformer.explorer.nodes import is_idle, use
from npformer.explorer.sentence import model_facts
from npformer.inspect import read_pair, record
from npformer.models.gpt import GPT, GPTConfig
from npformer.models.loss import LOSS, NO_TARGET
from npformer.text.batches import Batch
from npformer.text.tokenizer import PAD
from tests.explorer.conftest import SOURCE, TARGET, make_example


def shown(example) -> list:
    return [call for call in example.recording.calls if not is_idle(call)]


def kept(array) -> np.ndarray:
    """What an unpooled tensor becomes on the page."""
    return decode(encode(array), array.shape)


def test_every_call_is_there_with_its_own_numbers(example, data):
    calls = shown(example)
    assert [(node["path"], node["kind"]) for node in data["calls"]] == [
        (call.path, call.kind) for call in calls
    ]
    for call, node in zip(calls, data["calls"], strict=True):
        tensors = {tensor["name"]: tensor for tensor in node["tensors"]}
        output = next(t for t in node["tensors"] if t["role"] == "output")
        pairs = [(output["value"], call.output), (output["gradient"], call.doutput)]
        pairs += [(tensors[name]["value"], array) for name, array in call.inputs.items()]
        pairs += [(tensors[name]["gradient"], array) for name, array in call.dinputs.items()]
        if "probs" in call.internals:
            pairs += [(tensors["probs"]["gradient"], call.internals["dprobs"])]
            pairs += [(tensors["scores"]["gradient"], call.internals["dscores"])]
        for number, array in pairs:
            entry = data["arrays"][number]
            assert entry["shape"] == list(array.shape)
            assert entry["block"] == [1, 1]
            found = np.sort(decode(entry, (-1,)))
            np.testing.assert_array_equal(found, np.sort(kept(array).reshape(-1)))


def test_attention_turns_queries_then_keys(example):
    config = GPTConfig(
        vocab_size=example.tokenizer.vocab_size, d_model=8, heads=2, d_ff=8, layers=2,
        positions="rotary", norm_type="rms_norm",
    )  # fmt: skip
    model = GPT(config, rng=np.random.default_rng(5))
    recording = record(model, read_pair(model, example.tokenizer, "", TARGET).batch)
    turned = [call for call in recording.calls if call.path.endswith("self_attn.positions")]
    assert [use(call, recording) for call in turned] == ["queries", "keys"] * 2
    assert ["Norms", "pre, rms_norm"] in model_facts(model)


def test_parameters_stand_at_the_module_that_owns_them(example, data):
    found = {
        f"{node['path']}.{tensor['name']}": tensor
        for node in data["calls"]
        for tensor in node["tensors"]
        if tensor["role"] == "parameter"
    }
    assert found.keys() == example.model.state_dict().keys()
    for path, gradient in example.recording.gradients.items():
        entry = data["arrays"][found[path]["gradient"]]
        np.testing.assert_array_equal(decode(entry, gradient.shape), kept(gradient))


def test_the_walk_is_in_the_order_of_the_passes(example, data):
    calls = shown(example)
    forward = [calls[n].forward_order for n in data["forward"]]
    backward = [calls[n].backward_order for n in data["backward"]]
    assert forward == sorted(forward)
    assert backward == sorted(backward)
    assert sorted(data["forward"]) == sorted(data["backward"])
    assert calls[data["forward"][0]].path == "embedding"
    assert calls[data["forward"][-1]].path == calls[data["backward"][0]].path == "loss"


def test_steps_are_what_computes_and_the_tree_holds_every_call_once(data):
    def numbers(items):
        return [n for item in items for n in (item["call"], *numbers(item["children"]))]

    assert numbers(data["tree"]) == list(range(len(data["calls"])))
    kinds = {data["calls"][n]["kind"] for n in data["forward"]}
    assert {"Linear", "LayerNorm", "Embedding", "attention", "Activation", "cross_entropy"} <= kinds
    assert not kinds & {"Stack", "Layer", "Residual", "MultiHeadAttention", "FeedForward"}


def test_every_step_has_the_formulas_of_its_op(data):
    documents = {node["kind"]: node["doc"] for node in data["calls"]}
    for kind, op in (
        ("Linear", "linear"), ("LayerNorm", "layer_norm"), ("Embedding", "embedding"),
        ("Embedding.project", "linear"), ("Activation", "relu"), ("Residual", "Residual"),
    ):  # fmt: skip
        assert documents[kind] == op
    for number in data["forward"]:
        node = data["calls"][number]
        if node["kind"] != "SinusoidalPositions":  # a sum, whose source says it
            assert {"forward", "backward"} <= data["docs"][node["doc"]].keys(), node["path"]


def test_the_loss_of_each_token_has_the_loss_as_its_mean(example, data):
    losses = data["sentence"]["target"]["loss"]
    assert len(losses) == example.batch.targets.shape[1]
    assert np.mean(losses) == pytest.approx(example.recording.loss, rel=1e-4)
    assert data["loss"] == pytest.approx(example.recording.loss, rel=1e-5)


def test_attention_is_the_recordings(example, data):
    assert [entry["path"] for entry in data["maps"]] == list(example.recording.attention)
    for entry in data["maps"]:
        probs = example.recording.attention[entry["path"]]
        found = decode(data["arrays"][entry["array"]], probs.shape)
        np.testing.assert_array_equal(found, kept(probs))


def test_errors_are_those_given(data, errors):
    for node in data["calls"]:
        assert node["error"] == pytest.approx(list(errors[node["path"]]), rel=1e-5)
    assert data["measured"]


def test_without_errors_the_page_knows_that_none_were_measured(example):
    data = page_data(example.model, example.tokenizer, example.reading)
    assert not data["measured"]
    assert {json.dumps(node["error"]) for node in data["calls"]} == {"null"}


def test_a_positions_gradient_is_that_of_its_loss_alone(example):
    """Row t of the copies against a recording in which only position t has a loss."""
    places, norms = flow.position_gradients(example.model, example.batch)
    for t in (0, 3, example.batch.targets.shape[1] - 1):
        alone = np.full_like(example.batch.targets, PAD)
        alone[0, t] = example.batch.targets[0, t]
        batch = Batch(example.batch.inputs, alone)
        expected = flow.places(record(example.model, batch))
        for place, norm, other in zip(places, norms, expected, strict=True):
            assert place.call.path == other.call.path
            exact = np.linalg.norm(other.gradient[0], axis=-1)
            np.testing.assert_allclose(norm[t], exact, rtol=1e-4, atol=1e-7)


def test_copies_in_several_batches_give_the_same(example, monkeypatch):
    _, together = flow.position_gradients(example.model, example.batch)
    monkeypatch.setattr(flow, "COPIES", 3)
    _, apart = flow.position_gradients(example.model, example.batch)
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-7)


def test_no_gradient_reaches_a_later_token(example):
    places, norms = flow.position_gradients(example.model, example.batch)
    reached = [norm for place, norm in zip(places, norms, strict=True) if place.side == "target"]
    assert reached
    for norm in reached:
        assert not np.triu(norm, 1).any()
    source = next(n for p, n in zip(places, norms, strict=True) if p.call.path == "encoder")
    assert (source > 0).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"norm": "pre"},
        {"tie_output": False},
        {"activation": "gelu_tanh"},
        {"encoder_layers": 0},
        {"d_k": 5, "d_v": 2},
    ],
    ids=lambda changes: ",".join(changes),
)
def test_every_configuration_has_a_page(changes):
    example = make_example(**changes)
    data = page_data(example.model, example.tokenizer, example.reading)
    json.dumps(data, allow_nan=False)
    assert len(data["forward"]) == len(data["backward"]) > 20
    assert {place["side"] for place in data["flow"]} == {"source", "target"}


def test_numbers_that_are_none_make_a_page_too():
    example = make_example()
    example.model.decoder.layers[1].feed_forward.linear2.weight.data[0, 0] = np.nan
    data = page_data(example.model, example.tokenizer, example.reading)
    json.dumps(data, allow_nan=False)
    assert data["loss"] is None
    assert set(data["sentence"]["target"]["loss"]) == {None}


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("  ", TARGET, "the text is empty"),
        (SOURCE, "\n", "the target is empty"),
        (" ".join(["car"] * 16), TARGET, "the text has 17 tokens .* takes 16 at most"),
        (SOURCE, " ".join(["Auto"] * 16), "the target has 17 tokens .* takes 16 at most"),
    ],
    ids=["no-text", "no-target", "long-text", "long-target"],
)
def test_a_pair_that_the_model_cannot_read(example, source, target, said):
    with pytest.raises(NpformerError, match=said):
        read_pair(example.model, example.tokenizer, source, target)


def test_padding_that_is_a_target_too_has_its_loss():
    """As where the id that ends a text fills a batch."""
    sizes = {"vocab_size": 9, "d_model": 8, "heads": 2, "d_ff": 8, "layers": 1, "max_length": 8}
    model = GPT(GPTConfig(**sizes, padding_id=2, dropout=0.0), rng=np.random.default_rng(0))
    ids = np.array([[3, 5, 4, 6, 2]])
    batch = Batch({"target": ids[:, :-1]}, ids[:, 1:], NO_TARGET)
    loss, _ = LOSS.forward(model.forward(ids[:, :-1])[0], ids[:, 1:], ignore_index=None)
    assert record(model, batch).loss == pytest.approx(loss, rel=1e-6)
    found, norms = flow.position_gradients(model, batch)
    assert all(
        norm[-1].any() for place, norm in zip(found, norms, strict=True) if not place.call.path
    )


def test_a_model_without_padding_has_the_gradients_of_one_position_at_a_time():
    """What stands in place of the other positions' targets is no token of such a model."""
    sizes = {"vocab_size": 9, "d_model": 8, "heads": 2, "d_ff": 8, "layers": 1, "max_length": 8}
    ids = np.array([[3, 5, 4, 6]])
    norms = []
    for padding in (0, None):  # id 0 is nowhere in the text
        config = GPTConfig(**sizes, padding_id=padding, dropout=0.0)
        model = GPT(config, rng=np.random.default_rng(0), dtype=np.float64)
        model.embedding.weight.data[0] = 0
        norms.append(flow.position_gradients(model, Batch({"target": ids}, ids[:, ::-1]))[1])
    for one, other in zip(*norms, strict=True):
        assert np.array_equal(one, other)
