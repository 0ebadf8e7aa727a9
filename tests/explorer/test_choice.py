"""Which layers and heads a page shows: those asked for, or as many as leave it small."""

from __future__ import annotations

import re

import numpy as np
import pytest

from npformer.errors import NpformerError
from npformer.explorer import build_page, chosen, page_data
from npformer.explorer.arrays import Arrays, Layout, decode
from npformer.explorer.choice import LAYER, page_bytes
from tests.explorer.conftest import make_example


@pytest.fixture(scope="module")
def deep():
    return make_example(encoder_layers=5, decoder_layers=5, d_model=48)


def layers_of(nodes) -> set[int]:
    return {int(found[1]) for node in nodes if (found := LAYER.match(node["path"]))}


def test_a_small_model_is_shown_whole(deep):
    choice = chosen(deep.model, deep.reading)
    assert choice == ((0, 1, 2, 3, 4), (0, 1, 2), 5, 3)


def test_what_is_asked_for_is_shown_and_the_stream_of_every_layer(deep):
    choice = chosen(deep.model, deep.reading, [4, 0], [2])
    data = page_data(deep.model, deep.tokenizer, deep.reading, choice=choice)
    assert data["choice"] == {"layers": (0, 4), "heads": (2,), "of_layers": 5, "of_heads": 3}
    assert layers_of(data["calls"]) == layers_of(data["maps"]) == {0, 4}
    assert layers_of(p for p in data["flow"] if p["stream"]) == {0, 1, 2, 3, 4}
    assert layers_of(p for p in data["flow"] if not p["stream"]) == {0, 4}
    for entry in (data["arrays"][m["array"]] for m in data["maps"]):
        assert (entry["panels"], entry["view"][0]) == ([2], 1)
    probs = deep.recording.attention["decoder.layers.4.cross_attn"]
    entry = next(m for m in data["maps"] if m["path"] == "decoder.layers.4.cross_attn")
    found = decode(data["arrays"][entry["array"]], probs.shape[2:])
    np.testing.assert_allclose(found, probs[0, 2], rtol=1e-3)


def test_a_large_model_has_the_layers_that_fit(deep, monkeypatch):
    whole = len(build_page(deep.model, deep.tokenizer, deep.reading).encode())
    for part in (0.9, 0.7):
        monkeypatch.setattr("npformer.explorer.choice.MOST", part * whole)
        choice = chosen(deep.model, deep.reading)
        page = build_page(deep.model, deep.tokenizer, deep.reading)
        assert len(page.encode()) < part * whole
        assert choice.layers[0] == 0
        assert choice.layers[-1] == 4
        assert len(choice.layers) < 5


def test_heads_are_left_out_before_what_is_asked_for(deep, monkeypatch):
    one_head = page_bytes(deep.recording, deep.reading, range(1), 3)
    monkeypatch.setattr("npformer.explorer.choice.MOST", sum(one_head.values()) + 1)
    assert chosen(deep.model, deep.reading, range(5)).heads == (0,)


def test_keys_heads_are_those_that_the_chosen_queries_read():
    keys = np.arange(48.0).reshape(1, 3, 4, 4)  # 4 heads of keys for 8 of queries
    arrays = Arrays((1, 4, 5), 8)
    entry = arrays.entries[arrays.add(keys, name="k")]
    assert entry["panels"] == [0, 2]
    np.testing.assert_array_equal(decode(entry, (2, 3, 4)), keys[0].swapaxes(0, 1)[[0, 2]])


def test_long_attention_is_pooled():
    assert Layout.of((1, 2, 300, 300), "probs").block == (3, 3)
    assert Layout.of((1, 2, 256, 256), "probs").block == (1, 1)


@pytest.mark.parametrize(
    ("layers", "heads", "said"),
    [
        ([0, 5], None, "--layers has 5, and this model has layers 0 to 4"),
        ([-1], None, "--layers has -1"),
        (None, [3], "--heads has 3, and this model has heads 0 to 2"),
    ],
)
def test_what_does_not_exist_is_refused(deep, layers, heads, said):
    with pytest.raises(NpformerError, match=re.escape(said)):
        chosen(deep.model, deep.reading, layers, heads)


def test_too_much_to_read_is_refused_unless_all_is_chosen(deep, monkeypatch):
    monkeypatch.setattr("npformer.explorer.choice.MOST", 700_000)
    for layers, heads in ((None, None), ([0], None), (None, [0])):
        with pytest.raises(NpformerError, match="positions are too many for a page of"):
            chosen(deep.model, deep.reading, layers, heads)
    assert chosen(deep.model, deep.reading, [0], [0]).layers == (0,)
