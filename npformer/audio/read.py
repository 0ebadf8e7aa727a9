"""A file of sound as samples at 16 kHz, one channel.

WAV is read by the standard library. What else there is, FLAC, MP3, Ogg and WAV of floats, is read
by soundfile, and another rate is made 16 kHz by soxr, both of the extra ``audio``.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from npformer.audio.log_mel import RATE
from npformer.errors import AudioError, missing

Array = np.ndarray

SIGNS = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"ID3", b"FORM", b".snd", b"caff")
"""What files of sound begin with; those of MP3 may begin with eleven bits of 1."""


def read_audio(path: Path) -> Array:
    """The file ``path`` -> samples (n,), float32, from -1 to 1; channels are averaged.

    Raises AudioError for a file that is missing, is no sound, is damaged, or has nothing in it, and
    for one that needs a package that is not installed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror or error}") from error
    if not content:
        raise AudioError(f"{path} is empty; there is nothing to hear")
    samples, rate = _wav(content, path) or _by_soundfile(content, path)
    if not len(samples):
        raise AudioError(f"{path} has no samples; there is nothing to hear")
    return _at_rate(samples.mean(axis=1, dtype=np.float32), rate, path)


def _wav(content: bytes, path: Path) -> tuple[Array, int] | None:
    """samples (n, channels) and their rate; None for what is not a WAV file of integers."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        return None
    try:
        with wave.open(io.BytesIO(content)) as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            data = file.readframes(file.getnframes())
    except wave.Error as error:
        if "unknown" in str(error):  # floats, or a packing
            return None
        raise AudioError(f"{path} is a damaged WAV file: {error}") from error
    except EOFError as error:
        raise AudioError(f"{path} is a damaged WAV file: it ends too soon") from error
    if not rate or not channels or width not in WIDTHS:
        raise AudioError(
            f"{path} is a WAV file of {8 * width} bits, {channels} channels, {rate} Hz"
        )
    whole = len(data) // (width * channels) * width * channels
    return WIDTHS[width](data[:whole]).reshape(-1, channels), rate


def _of_24_bits(data: bytes) -> Array:
    """As the upper three bytes of integers of four."""
    four = np.zeros((len(data) // 3, 4), np.uint8)
    four[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return (four.view("<i4")[:, 0] / 2.0**31).astype(np.float32)


WIDTHS: dict[int, Callable[[bytes], Array]] = {
    1: lambda data: (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128,
    2: lambda data: np.frombuffer(data, "<i2").astype(np.float32) / 2**15,
    3: _of_24_bits,
    4: lambda data: (np.frombuffer(data, "<i4") / 2.0**31).astype(np.float32),
}
"""By the bytes of a sample, what makes numbers of them; those of one byte have no sign."""


def _by_soundfile(content: bytes, path: Path) -> tuple[Array, int]:
    likely = content.startswith(SIGNS) or (content[0] == 0xFF and content[1:2] >= b"\xe0")
    none = f"{path} is no sound: give a WAV file, or FLAC, MP3 or Ogg with the extra audio"
    try:
        soundfile = import_module("soundfile")
    except ModuleNotFoundError as error:
        if not likely:
            raise AudioError(none) from None
        raise AudioError(
            f"{path} is no WAV file of integers; {missing('soundfile')}; or make it one: "
            "ffmpeg -i FILE -ar 16000 -ac 1 -c:a pcm_s16le sound.wav"
        ) from error
    try:
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        reason = f"{path} is damaged, or of a kind that soundfile does not read: {error}"
        raise AudioError(reason if likely else none) from error
    return samples, int(rate)


def _at_rate(samples: Array, rate: int, path: Path) -> Array:
    if rate == RATE:
        return samples
    try:
        soxr: Any = import_module("soxr")
    except ModuleNotFoundError as error:
        raise AudioError(
            f"{path} has {rate:,} samples a second, and models hear {RATE:,}; to change that, "
            f"{missing('soxr')}; or run: ffmpeg -i FILE -ar 16000 -ac 1 sound.wav"
        ) from error
    resampled: Array = soxr.resample(samples, rate, RATE)
    return resampled
