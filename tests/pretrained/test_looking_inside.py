"""Every family can be looked into: recorded, drawn, put on a page, bisected beside its twin."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from npformer.explorer import page_data
from npformer.inspect import Reading, read_pair, read_recording, record
from npformer.inspect.attention import maps_of
from npformer.inspect.sentence import reading_figures
from npformer.pretrained import from_pretrained
from npformer.verify import bisect
from tests.audio.test_read import wav
from tests.pretrained.specimens import ENCODER_DECODERS, ENCODERS, SPECIMENS, SPEECH
from torch_ref.models import make_twin

SECONDS, LONGEST = 0.15, 0.22
"""Of the specimens that hear: a recording, and the longest that they take."""


def read(found, name) -> Reading:
    model = found.model
    if name in SPEECH:
        c = model.config
        frames = np.random.default_rng(0).standard_normal((c.mels, c.frames)).astype(np.float32)
        said = dict(source="a.wav", target="w3", seconds=SECONDS, longest=LONGEST)
        return read_recording(model, frames, [1, 5, 6, 7, 0], **said)
    return read_pair(model, found.tokenizer(), "w3 w4 w5", "w6 w7 w8")


@pytest.mark.parametrize("name", [*SPECIMENS, *ENCODERS, *ENCODER_DECODERS, *SPEECH])
def test_every_family(published, name):
    found = from_pretrained(published(name)[1])
    model, reading = found.model, read(found, name)
    maps = maps_of(model, reading.batch.inputs)
    recording = record(model, reading.batch)
    assert recording.attention.keys() == maps.keys()
    for path, probs in recording.attention.items():
        np.testing.assert_array_equal(probs[0], maps[path])
    if getattr(model.config, "masked_head", True):
        data = page_data(model, found.tokenizer(), reading)
        json.dumps(data, allow_nan=False)
        assert {m["path"] for m in data["maps"]} == maps.keys()
        for entry in (data["arrays"][m["array"]] for m in data["maps"]):
            assert entry["max"] <= 1 + 1e-6
    twin = make_twin(model.config, dtype=torch.float32)
    result = bisect(model, twin, reading.batch)
    assert result.passed, str(result)


def test_a_recordings_columns_are_seconds_and_what_is_behind_it_is_silence(published):
    found = from_pretrained(published("whisper")[1])
    reading = read(found, "whisper")
    assert reading.sources == [f"{n * 0.02:.2f} s" for n in range(8)] + ["silence"]
    probs = np.random.default_rng(0).random((2, 4, 11))
    seen = reading.looked_at(probs)
    np.testing.assert_array_equal(seen[..., :8], probs[..., :8])
    np.testing.assert_allclose(seen[..., 8], probs[..., 8:].sum(-1))
    looks = reading.looking(np.swapaxes(probs, 1, 2))
    np.testing.assert_allclose(looks[:, 8], np.swapaxes(probs, 1, 2)[:, 8:].mean(1))
    norms = reading.length(probs)
    np.testing.assert_allclose(norms[..., 8], np.linalg.norm(probs[..., 8:], axis=-1))
    for path, figure in reading_figures(found.model, found.tokenizer(), reading).items():
        own = path.startswith("decoder") and path.endswith("self_attn")
        assert ("sound" in figure.get_suptitle()) != own


@pytest.fixture(scope="module")
def run(published, tmp_path_factory):
    from npformer.cli.main import main

    path = tmp_path_factory.mktemp("runs") / "whisper"
    assert main(["load", str(published("whisper")[1]), str(path)]) == 0
    return path


@pytest.fixture
def sound(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, int(16_000 * SECONDS))
    return wav(tmp_path / "noise.wav", noise)


@pytest.mark.parametrize("target", [(), ("--target", "w3 w4 w5")])
def test_the_commands_take_a_recording(npformer, run, sound, tmp_path, target):
    for words in (
        ("attention", run, sound, "--out", tmp_path / "maps"),
        ("explore", "--checkpoint", run, "--recording", sound, "--out", tmp_path / "page.html"),
        ("bisect", "--checkpoint", run, "--recording", sound),
    ):
        ended = npformer(*words, *target)
        assert ended.status == 0, ended.err
        assert "noise.wav" in ended.out
        assert ("the text given" if target else "the model itself hears") in ended.out


def test_a_text_is_no_recording_and_a_recording_no_text(refused, run, sound, trained, tmp_path):
    page = ("--out", tmp_path / "page.html")
    for command, more in (("explore", page), ("bisect", ())):
        at = (command, "--checkpoint")
        assert "give it a --recording" in refused(*at, run, "--text", "w3", *more)
        assert "give it a --recording" in refused(*at, run, *more)
        assert "give it a --text" in refused(*at, trained, "--recording", sound, *more)
    long = wav(tmp_path / "long.wav", np.ones(16_000))
    said = refused("explore", "--checkpoint", run, "--recording", long, *page)
    assert "has 1.0 seconds; the model hears 0.22 at once" in said
    assert "cannot be read" in refused("attention", run, tmp_path / "none.wav")
    assert not (tmp_path / "page.html").exists()
