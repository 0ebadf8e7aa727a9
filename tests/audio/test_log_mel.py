"""Frames of sound: the library's own, and what must hold of them by themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.audio.log_mel import HOP, RATE, log_mel, mel_bands
from npformer.errors import AudioError
from tests.examples import examples


def sound(seed: int, seconds: float, loud: float = 0.3) -> np.ndarray:
    """A few tones over noise, now and then silent."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    tones = sum(np.sin(2 * np.pi * f * t) for f in rng.uniform(80, 7500, 4))
    quiet = np.repeat(rng.random(len(t) // HOP + 1) < 0.3, HOP)[: len(t)]
    x = loud * (tones + 0.1 * rng.standard_normal(len(t))) * np.where(quiet, 1e-4, 0.25)
    return x.astype(np.float32)


def exact(x: np.ndarray, mels: int) -> np.ndarray:
    """The library's other implementation, by NumPy in float64."""
    from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

    filters = mel_filter_bank(201, mels, 0.0, 8000.0, RATE, norm="slaney", mel_scale="slaney")
    assert abs(filters.T - mel_bands(mels)).max() < 1e-12
    mel = spectrogram(
        x, window_function(400, "hann"), 400, HOP, power=2.0, mel_filters=filters, log_mel="log10"
    )[:, :-1]
    return (np.maximum(mel, mel.max() - 8) + 4) / 4


@pytest.mark.parametrize("mels", [80, 128])
@pytest.mark.parametrize("seconds", [0.3, 1.37])
def test_frames_are_the_librarys(mels, seconds):
    """Its extractor runs in float32, with up to 1.5e-5 of rounding of its own in quiet bands."""
    extractor = pytest.importorskip("transformers").WhisperFeatureExtractor(feature_size=mels)
    x = sound(0, seconds)
    filled = np.pad(x, (0, 2 * RATE - len(x)))
    (theirs,) = extractor(
        x, sampling_rate=RATE, padding="max_length", max_length=2 * RATE, return_tensors="np"
    )["input_features"]
    right, ours = exact(filled.astype(np.float64), mels), log_mel(x, mels, 200)
    assert ours.shape == theirs.shape == (mels, 200)
    assert abs(ours - right).max() < 1e-6
    assert abs(ours - theirs).max() < abs(theirs - right).max() + 1e-6 < 1e-4
    (alone,) = extractor(x, sampling_rate=RATE, padding="do_not_pad", return_tensors="np")[
        "input_features"
    ]
    assert abs(log_mel(x, mels) - alone).max() < 1e-4


@examples(0.2)
@given(st.integers(0, 99), st.floats(0.05, 0.9), st.sampled_from([0.5, 2.0, 10.0]))
def test_a_louder_sound_is_higher_by_so_much(seed, seconds, times):
    """A tenth of a decade of power a decibel: y is log10 of power, over 4."""
    x = sound(seed, seconds).astype(np.float64)
    apart = log_mel(times * x).astype(np.float64) - log_mel(x)
    assert abs(apart - 2 * np.log10(times) / 4).max() < 1e-5


@examples(0.2)
@given(st.integers(0, 99), st.floats(0.05, 0.9))
def test_the_range_is_eighty_decibels(seed, seconds):
    y = log_mel(sound(seed, seconds))
    assert y.shape == (80, int(seconds * RATE) // HOP) and y.dtype == np.float32
    assert y.max() - y.min() <= 2.0 + 1e-6


def test_a_tone_is_loudest_in_its_own_band():
    centers = [int(band.argmax()) * 40.0 for band in mel_bands(80)]
    for number in (12, 40, 70):
        tone = np.sin(2 * np.pi * centers[number] * np.arange(RATE) / RATE)
        assert log_mel(tone).mean(axis=1).argmax() == number


def test_later_sound_is_heard_later():
    x = np.zeros(RATE)
    x[RATE // 2] = 1.0
    assert log_mel(x).max(axis=0).argmax() in (49, 50, 51)


@pytest.mark.parametrize(
    ("samples", "frames", "said"),
    [
        (np.zeros((2, 400)), None, "one channel"),
        (np.full(400, np.nan), None, "no numbers"),
        (np.zeros(100), None, "more than 200"),
        (np.zeros(400), 2, "hold 320"),
    ],
)
def test_what_is_no_sound_is_refused(samples, frames, said):
    with pytest.raises(AudioError, match=said):
        log_mel(samples, 80, frames)
