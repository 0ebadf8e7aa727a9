"""How the calls of a recording are joined, of every family, by arrays and numbers alone."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.explorer.nodes import is_idle
from npformer.explorer.wiring import wiring
from npformer.inspect import read_pair, record
from tests.explorer.conftest import SOURCE, TARGET, make_example
from tests.explorer.families import MODELS, gpt


def wired(model):
    """Path of a call that is made of others -> its links, with ends named by their paths."""
    tokenizer = make_example().tokenizer
    source = SOURCE if "source" in model.streams else ""
    recording = record(model, read_pair(model, tokenizer, source, TARGET).batch)
    shown = [call for call in recording.calls if not is_idle(call)]

    def name(end):
        return (shown[end].path or "model") if isinstance(end, int) else end

    found = {}
    for number, links in wiring(recording, shown).items():
        path = name(int(number)) if number else ""
        assert all(link[3] for link in links), path  # nothing was guessed
        inside = path and path != "model" and f"{path}."
        ends = {
            (name(a).removeprefix(inside or ""), name(b).removeprefix(inside or ""), argument)
            for a, b, argument, _ in links
        }
        found[path] = ends
    return found


@pytest.fixture(scope="module")
def links():
    return {name: wired(make()) for name, make in MODELS.items()}


def test_nothing_is_guessed_in_any_family(links):
    assert links.keys() == MODELS.keys()


@pytest.mark.parametrize(
    ("family", "path", "branch"),
    [
        (
            "encoder-decoder",
            "encoder.layers.0.feed_forward_residual",
            "encoder.layers.0.feed_forward",
        ),
        ("gpt", "decoder.layers.1.self_attn_residual", "decoder.layers.1.self_attn"),
        ("sandwich", "decoder.layers.5.feed_forward_residual", "norm_after"),
        ("branch", "decoder.layers.1.feed_forward_residual", "norm"),
    ],
)
def test_a_residual_adds_its_branch_to_the_stream(links, family, path, branch):
    found = links[family][path]
    assert {("x", "+0", "+"), (branch, "+0", "+")} <= found
    behind = "norm" if family == "encoder-decoder" else "y"
    assert ("+0", behind, "y" if behind == "y" else "x") in found


def test_branches_side_by_side_are_added_before_the_stream(links):
    layer = "decoder.layers.1"
    found = links["parallel"][f"{layer}.self_attn_residual"]
    branches = {(f"{layer}.self_attn", "+0", "+"), (f"{layer}.feed_forward", "+0", "+")}
    assert branches | {("+0", "+1", "+"), ("x", "+1", "+"), ("+1", "y", "y")} <= found


def test_a_gate_of_one_number_a_row_multiplies_the_shared_network(links):
    found = links["gated-mixture"]["decoder.layers.0.feed_forward"]
    product = {("sigmoid", "*0", "*"), ("shared", "*0", "*"), ("*0", "+1", "+")}
    assert product | {("combine", "+1", "+"), ("+1", "y", "y")} <= found


def test_streams_are_read_written_and_averaged_and_their_weights_are_no_data(links):
    layer = "decoder.layers.0"
    found = links["streams"][f"{layer}.self_attn_residual"]
    assert ("x", "read_streams", "streams") in found
    assert ("x", "write_streams", "streams") in found
    assert (f"{layer}.self_attn", "write_streams", "h") in found
    assert {argument for _, _, argument in found} == {"streams", "x", "h", "y"}
    assert ("layers.1", "norm", "x") in links["streams"]["decoder"]


def test_the_memory_goes_through_all_that_is_around_its_readers(links):
    found = links["encoder-decoder"]
    layer = "decoder.layers.0"
    assert ("encoder", "decoder", "memory") in found["model"]
    assert ("memory", "layers.0", "memory") in found["decoder"]
    assert ("memory", "cross_attn_residual", "memory") in found[layer]
    assert ("memory", f"{layer}.cross_attn", "memory") in found[f"{layer}.cross_attn_residual"]
    assert ("memory", "k_proj", "x") in found[f"{layer}.cross_attn"]


def test_a_bias_of_all_layers_comes_from_the_stacks_positions(links):
    for layer in ("layers.0", "layers.1"):
        assert ("positions", layer, "bias") in links["t5"]["encoder"]


def test_what_is_routed_scaled_repeated_and_put_together_is_found(links):
    mixture = links["mixture"]["decoder.layers.0.feed_forward"]
    assert {("combine", "+0", "+"), ("shared", "+0", "+"), ("x", "dispatch", "x")} <= mixture
    delta = links["delta"]["decoder.layers.0.self_attn"]
    rule = {a for a, b, argument in delta if argument in ("q", "k")}
    assert rule == {"rms_norm"}  # a key's head serves two, and the query is scaled
    latent = links["latent"]["decoder.layers.0.self_attn"]
    assert {("k_up", "attention", "k"), ("positions", "attention", "k")} <= latent
    gated = links["sandwich"]["decoder.layers.0.self_attn"]
    assert {("attention", "*0", "*"), ("sigmoid", "*0", "*")} <= gated


def test_layers_that_are_left_out_are_one_gap(example):
    tokenizer, model = example.tokenizer, gpt(layers=5)
    recording = record(model, read_pair(model, tokenizer, "", TARGET).batch)
    shown = [c for c in recording.calls if not is_idle(c) and ".layers.1" not in c.path]
    shown = [c for c in shown if ".layers.2" not in c.path]
    number = next(str(n) for n, call in enumerate(shown) if call.path == "decoder")
    ends = [link[:2] for link in wiring(recording, shown)[number]]
    first, later = (
        n for n, c in enumerate(shown) if c.path in ("decoder.layers.0", "decoder.layers.3")
    )
    assert [first, "...1"] in ends
    assert ["...1", later] in ends
    assert sum(isinstance(end, str) and end.startswith("...") for link in ends for end in link) == 2


def test_numbers_that_are_none_are_joined_by_order():
    model = gpt(layers=1)
    model.decoder.layers[0].feed_forward.linear2.weight.data[:] = np.nan
    tokenizer = make_example().tokenizer
    recording = record(model, read_pair(model, tokenizer, "", TARGET).batch)
    shown = [call for call in recording.calls if not is_idle(call)]
    links = [link for several in wiring(recording, shown).values() for link in several]
    assert any(not link[3] for link in links)
