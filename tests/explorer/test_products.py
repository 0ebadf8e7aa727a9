"""Which tensors are found to be products, and that a cell is the sum that the page writes out."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.explorer.arrays import Arrays
from npformer.explorer.nodes import node_data
from npformer.inspect import read_pair, record
from tests.explorer.conftest import SOURCE, TARGET
from tests.explorer.families import MODELS

ATTENTION = {
    "scores": (["q", "row"], ["k", "row"]),
    "y": (["probs", "row"], ["v", "column"]),
    "dprobs": (["dy", "row"], ["v", "row"]),
    "dq": (["dscores", "row"], ["k", "column"]),
    "dk": (["dscores", "column"], ["q", "column"]),
    "dv": (["probs", "column"], ["dy", "column"]),
}
LINEAR = {
    "y": (["x", "row"], ["weight", "row"]),
    "dx": (["dy", "row"], ["weight", "column"]),
    "dweight": (["dy", "column"], ["x", "column"]),
}


def calls_of(name, tokenizer):
    model = MODELS[name]()
    rng = np.random.default_rng(1)
    for parameter in model.parameters():  # a bias of 0 would not show
        parameter.data += rng.normal(0, 0.3, parameter.data.shape).astype(parameter.data.dtype)
    source = SOURCE if "source" in model.streams else ""
    recording = record(model, read_pair(model, tokenizer, source, TARGET).batch)
    data = node_data(recording, model.state_dict(), Arrays(), None, lambda path: True)
    return {call["path"]: call for call in data["calls"]}


@pytest.mark.parametrize("name", ["encoder-decoder", "gpt", "bert"])
def test_the_products_of_attention_and_of_linear_maps_are_found(example, name):
    calls = calls_of(name, example.tokenizer)
    for path, call in calls.items():
        wanted = {"attention": ATTENTION, "Linear": LINEAR}.get(call["kind"])
        if wanted is not None:
            found = {p["of"]: (p["left"], p["right"]) for p in call["products"]}
            assert found == wanted, path
            for rule in call["products"]:
                scaled = call["kind"] == "attention" and rule["of"] in ("scores", "dq", "dk")
                assert rule["times"] == (pytest.approx(0.5, rel=1e-5) if scaled else 1.0)
                has_bias = any(tensor["name"] == "bias" for tensor in call["tensors"])
                assert rule["bias"] == ("bias" if has_bias and rule["of"] == "y" else None)


def test_heads_that_share_keys_have_no_product_for_the_keys_gradient(example):
    """It is a sum over several heads; the others are found, each in its group."""
    calls = calls_of("mixture", example.tokenizer)
    found = {p["of"] for p in calls["decoder.layers.0.self_attn.attention"]["products"]}
    assert found == set(ATTENTION) - {"dk", "dv"}


def test_what_is_no_product_has_none(example):
    calls = calls_of("gpt", example.tokenizer)
    for path, call in calls.items():
        if call["kind"] in ("LayerNorm", "Activation", "Residual", "Layer"):
            assert call["products"] == [], path


def test_scores_are_what_the_softmax_reads(example):
    for path, probs in example.recording.attention.items():
        scores = example.recording[f"{path}.attention"].internals["scores"]
        assert (np.isneginf(scores) == (probs == 0)).all()
        exps = np.exp(scores - scores.max(-1, keepdims=True))
        np.testing.assert_allclose(exps / exps.sum(-1, keepdims=True), probs, atol=1e-6)
