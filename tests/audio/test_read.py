"""Files of sound, and files that are none."""

from __future__ import annotations

import wave

import numpy as np
import pytest

from npformer.audio import read, read_audio
from npformer.audio.log_mel import RATE
from npformer.errors import AudioError

TONE = np.sin(2 * np.pi * 440 * np.arange(4000) / RATE) * 0.7


def wav(path, samples, width=2, rate=RATE):
    """samples (n,) or (n, channels) from -1 to 1, written as integers of so many bytes."""
    samples = samples if samples.ndim == 2 else samples[:, None]
    scaled = np.round(samples * (2 ** (8 * width - 1) - 1)).astype(np.int64)
    scaled = scaled + 128 if width == 1 else scaled
    content = scaled[..., None].astype("<i8").view(np.uint8)[..., :width].tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(content)
    return path


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_integers_of_every_width_are_the_same_sound(width, tmp_path):
    found = read_audio(wav(tmp_path / "tone.wav", TONE, width))
    assert found.dtype == np.float32 and found.shape == TONE.shape
    assert abs(found - TONE).max() < 2.0 ** (2 - 8 * width) + 1e-6


def test_channels_are_averaged(tmp_path):
    both = np.stack([TONE, -0.5 * TONE], axis=1)
    assert abs(read_audio(wav(tmp_path / "two.wav", both)) - TONE / 4).max() < 1e-4


def test_another_rate_is_made_the_models(tmp_path):
    pytest.importorskip("soxr")
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
    found = read_audio(wav(tmp_path / "tone.wav", tone, rate=44_100))
    assert abs(len(found) - RATE) <= 1
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(len(found)) / RATE)
    assert abs(found - expected)[800:-800].max() < 1e-3


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "WAV"])
def test_other_kinds_are_read_by_the_extra(kind, tmp_path):
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / f"tone.{kind.lower()}"
    subtype = {"WAV": "FLOAT", "FLAC": "PCM_16", "OGG": "VORBIS"}[kind]
    soundfile.write(path, TONE, RATE, format=kind, subtype=subtype)
    found = read_audio(path)
    assert len(found) == len(TONE)
    assert abs(found - TONE).max() < (0.1 if kind == "OGG" else 1e-4)


def cut(path):
    path.write_bytes(path.read_bytes()[:20])


def emptied(path):
    wav(path, TONE[:0])


REFUSED = {
    "missing": (lambda path: path.unlink(), "No such file"),
    "of nothing": (lambda path: path.write_bytes(b""), "is empty"),
    "no sound": (lambda path: path.write_text("dear sir"), "is no sound"),
    "cut short": (cut, "damaged WAV"),
    "without samples": (emptied, "no samples"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_heard_is_named(name, tmp_path):
    change, said = REFUSED[name]
    path = wav(tmp_path / "tone.wav", TONE)
    change(path)
    with pytest.raises(AudioError, match=said) as caught:
        read_audio(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "rate", "said"),
    [
        (b"fLaC" + bytes(90), RATE, "soundfile, which is not installed"),
        (None, 44_100, "soxr, which is not installed"),
    ],
)
def test_without_the_extra_it_is_named(content, rate, said, tmp_path, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(read, "import_module", absent)
    path = wav(tmp_path / "tone.wav", TONE, rate=rate)
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AudioError, match=said):
        read_audio(path)


def test_a_damaged_file_of_another_kind_is_named(tmp_path):
    pytest.importorskip("soundfile")
    path = tmp_path / "song.flac"
    path.write_bytes(b"fLaC" + bytes(50))
    with pytest.raises(AudioError, match="damaged"):
        read_audio(path)
