"""What is read or done wrongly is named beside the library itself, module by module."""

from __future__ import annotations

import json

import numpy as np
import pytest

from npformer.audio.log_mel import RATE
from npformer.nn import multi_head_attention
from npformer.nn.multi_head_attention import MultiHeadAttention
from npformer.ops import rms_norm_forward
from npformer.pretrained import from_pretrained
from npformer.verify.published import compare
from tests.audio.test_read import wav
from tests.pretrained import library
from tests.pretrained.specimens import ENCODER_DECODERS, ENCODERS, SPECIMENS, SPEECH

LAYER, FIRST = "decoder.layers.0", "encoder.layers.0"
ATTENTION, FEED_FORWARD = f"{LAYER}.self_attn", f"{LAYER}.feed_forward"


def compared(published, name, found):
    """On two texts or three, with padding where the model hides it."""
    rng = np.random.default_rng(0)
    padding = found.model.config.padding_id
    inputs = {"target": rng.integers(3, 41, (2, 9))}
    if found.model.heard:
        c = found.model.config
        inputs = {"audio": rng.standard_normal((2, c.mels, c.frames)), **inputs}
    if "source" in found.model.streams:
        inputs = {"source": rng.integers(3, 41, (3, 8)), "target": rng.integers(3, 41, (3, 6))}
        inputs["source"][1, 5:] = padding
    elif not found.model.decodes:
        inputs["target"][1, 6:] = padding
        if found.model.type_embedding is not None and name != "roberta":
            inputs["types"] = rng.integers(0, 2, (2, 9))
    with library.exact():
        return compare(found, published(name)[0], inputs, rng)


@pytest.mark.parametrize("name", [*SPECIMENS, *ENCODERS, *ENCODER_DECODERS, *SPEECH])
def test_every_module_gives_what_the_librarys_gives(published, name):
    found = from_pretrained(published(name)[1], np.float64)
    comparison = compared(published, name, found)
    assert comparison, str(comparison)
    assert (comparison.activation, comparison.gradient) == (None, None)
    assert max(max(row[2:]) for row in comparison.rows) < 1e-9
    assert len(comparison.rows) >= 10
    assert "the worst of" in str(comparison)


def swap(first, second, layer=LAYER):
    """Two weights in each other's place."""

    def wrong(model, monkeypatch):
        weights = dict(model.named_parameters())
        one, other = weights[f"{layer}.{first}.weight"], weights[f"{layer}.{second}.weight"]
        one.data, other.data = other.data, one.data

    return wrong


def pairs_of_columns(model, monkeypatch):
    """The rows of queries in the order of another layout of rotary positions."""
    weight = model.decoder.layers[0].self_attn.q_proj.weight
    weight.data = weight.data.reshape(4, 2, 4, -1).swapaxes(1, 2).reshape(weight.data.shape)


def keys_in_turns(model, monkeypatch):
    """Head h reads the keys of group h % groups, and not h // (heads / groups)."""
    forward, backward = (
        getattr(multi_head_attention, f"attention_{way}") for way in ("forward", "backward")
    )

    def wrong(q, k, v, *args, **kwargs):
        turns = np.arange(q.shape[2]) % k.shape[2]
        return forward(q, k[:, :, turns], v[:, :, turns], *args, **kwargs)

    def back(dy, cache):
        dq, dk, dv = backward(dy, cache)
        return dq, *(d.reshape(*d.shape[:2], 2, 2, d.shape[3]).sum(axis=2) for d in (dk, dv))

    monkeypatch.setattr(multi_head_attention, "attention_forward", wrong)
    monkeypatch.setattr(multi_head_attention, "attention_backward", back)


def norm_after_rotation(model, monkeypatch):
    """Queries and keys are turned first, and normed then."""

    def wrong(self, x, heads, norm, at):
        x, rotation = self.positions.rotate(self._split(x, heads), at)
        x, normed = norm.forward(x)
        return x, multi_head_attention.HeadsCache(normed, rotation)

    monkeypatch.setattr(MultiHeadAttention, "_to_heads", wrong)


def no_norm_of_queries(model, monkeypatch):
    for layer in model.decoder.layers:
        layer.self_attn.q_norm.weight.data = np.ones_like(layer.self_attn.q_norm.weight.data)


def numbers_of_layers_unread(model, monkeypatch):
    """Each is left as every new model's is."""
    for layer in model.decoder.layers:
        layer.layer_scalar.weight.data = np.ones(1)


def positions_one_further(model, monkeypatch):
    """As RoBERTa's are if the row of padding's is taken for the first."""
    model.positions.weight.data = np.roll(model.positions.weight.data, 1, axis=0)


def types_forgotten(model, monkeypatch):
    model.type_embedding.weight.data = np.zeros_like(model.type_embedding.weight.data)


def padding_seen(model, monkeypatch):
    """Every query of the encoder reads padding too."""
    forward = model.encoder.forward
    model.encoder.forward = lambda x, mask=None, **more: forward(x, mask=mask | True, **more)


def distances_with_the_other_sign(model, monkeypatch):
    """T5's are key - query: here those before take the place of those after."""
    weight = model.encoder.positions.weight
    weight.data = np.roll(weight.data, len(weight.data) // 2, axis=0)


def activation_of_the_head(model, monkeypatch):
    model.head_activation.backward = lambda dy, cache: dy


def gradient_halved(model, monkeypatch):
    """The gate's gradient, on its way back alone."""
    activation = model.decoder.layers[0].feed_forward.activation
    right = activation.backward
    activation.backward = lambda dy, cache: (right(dy, cache)[0] / 2, right(dy, cache)[1])


def gradient_added_twice(model, monkeypatch):
    linear = model.decoder.layers[0].self_attn.out_proj
    right = linear.backward

    def wrong(dy, cache):
        right(dy, cache)
        return right(dy, cache)

    linear.backward = wrong


MISTAKES = {
    "gate and up": ("llama", swap("feed_forward.gate_proj", "feed_forward.up_proj"), FEED_FORWARD),
    "keys and values": ("llama", swap("self_attn.k_proj", "self_attn.v_proj"), ATTENTION),
    "norms of a layer": (
        "llama", swap("self_attn_residual.norm", "feed_forward_residual.norm"),
        f"{LAYER}.self_attn_residual.norm",
    ),
    "norms of a branch": (
        "gemma2", swap("self_attn_residual.norm_after", "feed_forward_residual.norm"),
        f"{LAYER}.self_attn_residual.norm_after",
    ),
    "norms of queries and keys": (
        "qwen3", swap("self_attn.q_norm", "self_attn.k_norm"), f"{ATTENTION}.q_norm",
    ),
    "columns of queries in pairs": ("llama", pairs_of_columns, f"{ATTENTION}.q_proj"),
    "keys by turns": ("llama", keys_in_turns, ATTENTION),
    "norm after rotation": ("gemma3", norm_after_rotation, ATTENTION),
    "numbers of layers unread": ("gemma4", numbers_of_layers_unread, f"{LAYER}"),
    "queries not normed": ("gemma3", no_norm_of_queries, f"{ATTENTION}.q_norm"),
    "gate and up of one tensor": (
        "phi3", swap("feed_forward.gate_proj", "feed_forward.up_proj"), FEED_FORWARD,
    ),
    "queries and keys of one tensor": (
        "gpt2", swap("self_attn.q_proj", "self_attn.k_proj"), ATTENTION,
    ),
    "an encoder's keys and values": (
        "bert", swap("self_attn.k_proj", "self_attn.v_proj", FIRST), f"{FIRST}.self_attn",
    ),
    "norms of BERT's layer": (
        "bert", swap("self_attn_residual.norm", "feed_forward_residual.norm", FIRST),
        f"{FIRST}.self_attn_residual.norm",
    ),
    "types": ("minilm", types_forgotten, "type_embedding"),
    "positions": ("roberta", positions_one_further, "between type_embedding and embedding_norm"),
    "padding seen": ("bert", padding_seen, f"{FIRST}.self_attn.out_proj"),
    "gate and up of an encoder": (
        "modernbert", swap("feed_forward.gate_proj", "feed_forward.up_proj", FIRST),
        f"{FIRST}.feed_forward",
    ),
    "sides": ("t5", distances_with_the_other_sign, f"{FIRST}.self_attn.out_proj"),
    "keys and values of the memory": (
        "bart", swap("cross_attn.k_proj", "cross_attn.v_proj"), f"{LAYER}.cross_attn",
    ),
    "attention to itself and to the memory": (
        "marian", swap("self_attn.q_proj", "cross_attn.q_proj"), f"{LAYER}.self_attn.q_proj",
    ),
    "padding of a source seen": ("m2m_100", padding_seen, f"{FIRST}.self_attn.out_proj"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_by_its_module(published, monkeypatch, mistake):
    name, wrong, at = MISTAKES[mistake]
    found = from_pretrained(published(name)[1], np.float64)
    wrong(found.model, monkeypatch)
    comparison = compared(published, name, found)
    assert not comparison
    assert comparison.gradient is None
    assert at in comparison.activation, str(comparison)


@pytest.mark.parametrize(
    ("name", "wrong", "at"),
    [
        ("llama", gradient_halved, f"{FEED_FORWARD}.gate_proj"),
        ("llama", gradient_added_twice, f"{ATTENTION}.out_proj"),
        ("bart", gradient_added_twice, f"{ATTENTION}.out_proj"),
        ("bert", activation_of_the_head, "between head_dense and head_norm"),
    ],
)
def test_a_mistake_of_the_backward_alone_is_named_too(published, monkeypatch, name, wrong, at):
    found = from_pretrained(published(name)[1], np.float64)
    wrong(found.model, monkeypatch)
    comparison = compared(published, name, found)
    assert not comparison
    assert comparison.activation is None
    assert at in comparison.gradient, str(comparison)


def test_the_command_shows_every_module_and_names_where_two_models_part(
    npformer, published, tmp_path, monkeypatch
):
    source = published("qwen3")[1]
    ended = npformer("compare", source, "w1 w2 w3 w4", "--json", tmp_path / "figures.json")
    assert ended.status == 0, ended.err
    assert f"{ATTENTION}.q_norm" in ended.out
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["passed"] is True
    assert max(figures["gradients"].values()) < 1e-9
    ended = npformer("compare", source, "w1 w2 w3 w4", "--dtype", "float32")
    assert ended.status == 0, ended.out
    monkeypatch.setattr(
        "npformer.nn.rms_norm.rms_norm_forward",
        lambda x, weight, *, eps, plus_one: rms_norm_forward(
            x, weight, eps=1e-2, plus_one=plus_one
        ),
    )
    ended = npformer("compare", source, "w1 w2 w3 w4")
    assert ended.status == 1
    assert f"that differs is made in {LAYER}.self_attn_residual.norm" in ended.out


@pytest.mark.parametrize("name", ["modernbert", "minilm", "t5", "bart", "marian"])
def test_the_command_compares_what_reads_a_text_whole_and_what_writes_another(
    npformer, published, tmp_path, name
):
    ended = npformer("compare", published(name)[1], "w5 w6 w7", "--json", tmp_path / "figures.json")
    assert ended.status == 0, ended.err
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["output"] == ("last_hidden_state" if name == "minilm" else "logits")
    assert f"{FIRST}.self_attn" in ended.out


def test_the_command_compares_what_hears(npformer, refused, published, tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, RATE // 2)
    source = published("whisper")[1]
    ended = npformer("compare", source, wav(tmp_path / "short.wav", noise[: RATE // 5]))
    assert ended.status == 0, ended.err
    assert "conv2" in ended.out and "audio_positions" not in ended.out
    assert "0.5 s long" in refused("compare", source, wav(tmp_path / "long.wav", noise))


def test_what_cannot_be_compared_says_so(refused, published, tmp_path):
    assert "does not exist" in refused("compare", tmp_path / "nowhere", "w1")
    long = " ".join(["w1"] * 40)
    assert "shorten it" in refused("compare", published("bert")[1], long)
