"""``npformer transcribe``: a recording in, its text out; what is no recording is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from npformer.audio.log_mel import HOP, RATE, log_mel
from npformer.audio.pieces import pieces
from npformer.decode.transcriber import Transcriber
from npformer.pretrained.run import generation_of
from npformer.train.engines import load_model
from tests.audio.test_read import wav


@pytest.fixture(scope="module")
def run(published, tmp_path_factory):
    from npformer.cli.main import main

    path = tmp_path_factory.mktemp("runs") / "whisper"
    assert main(["load", str(published("whisper")[1]), str(path)]) == 0
    return path


@pytest.fixture
def recording(tmp_path):
    """Half a second, two and a bit of what this model takes at once, with silence at its end."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, RATE // 2)
    noise[-RATE // 4 :] = 0
    return wav(tmp_path / "noise.wav", noise)


def test_the_text_of_a_recording_is_that_of_its_pieces(npformer, run, recording, tmp_path):
    ended = npformer("transcribe", run, recording, "--json", tmp_path / "said.json")
    assert ended.status == 0, ended.err
    figures = json.loads((tmp_path / "said.json").read_text())
    assert ended.out == figures["text"] + "\n"
    assert figures["seconds"] == 0.5 and figures["language"] == "en"
    said = figures["pieces"]
    assert (said[0]["begin"], said[-1]["end"]) == (0.0, 0.5) and len(said) == 3
    assert figures["text"] == " ".join(each["text"] for each in said if each["text"])
    assert said[-1]["text"] == ""  # nothing is heard in silence
    loaded = load_model(run)
    config = loaded.model.config
    writer = Transcriber(loaded.model, loaded.tokenizer, generation_of(loaded.checkpoint))
    from npformer.audio import read_audio

    samples = read_audio(recording)
    begin, end = next(pieces(samples, config.frames * HOP))
    frames = log_mel(samples[begin:end], config.mels, config.frames)
    (ids,) = writer.tokens(frames[None])
    assert ids and loaded.tokenizer.decode(ids).strip() == said[0]["text"]


@pytest.mark.parametrize("options", [("--engine", "torch"), ("--beam", 2)])
def test_options_run(npformer, run, recording, options):
    plain = npformer("transcribe", run, recording)
    ended = npformer("transcribe", run, recording, *options, "--json", "-")
    assert ended.status == 0, ended.err
    if options[0] == "--engine":
        assert json.loads(ended.out)["text"] == plain.out.strip()


def test_what_cannot_be_transcribed_says_so(refused, published, run, recording, tmp_path):
    text = tmp_path / "letter.txt"
    text.write_text("Dear Sir")
    empty = tmp_path / "empty.wav"
    empty.write_bytes(b"")
    assert "is no sound" in refused("transcribe", run, text)
    assert "is empty" in refused("transcribe", run, empty)
    assert "No such file" in refused("transcribe", run, tmp_path / "none.wav")
    assert "--beam is 0" in refused("transcribe", run, recording, "--beam", 0)
    assert "English alone" in refused("transcribe", run, recording, "--language", "de")
    assert "does not translate" in refused("transcribe", run, recording, "--translate")
    assert "does not exist" in refused("transcribe", tmp_path / "nowhere", recording)


def test_a_model_of_texts_hears_nothing(refused, published, recording, tmp_path):
    from npformer.cli.main import main

    assert main(["load", str(published("llama")[1]), str(tmp_path / "llama")]) == 0
    assert "hears nothing" in refused("transcribe", tmp_path / "llama", recording)


def test_a_model_that_hears_reads_no_text(refused, run, tmp_path):
    for words in (
        ("translate", run, "w3 w4"),
        ("generate", run, "w3 w4"),
        ("evaluate", run),
    ):
        assert "npformer transcribe" in refused(*words), words


def test_it_is_no_model_to_train(refused, tmp_path):
    for words in (
        ("train", tmp_path / "run", "--model", "whisper"),
        ("plan", "--model", "whisper"),
        ("bench", "--model", "whisper"),
    ):
        assert "whisper' reads sound" in refused(*words), words
