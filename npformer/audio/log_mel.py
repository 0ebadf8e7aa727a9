r"""Log-mel frames: the loudness of a sound in bands of frequency, a hundred times a second.

Shapes      samples (n,)    frames (A, K)    power (A, K / 2 + 1)    bands (M, K / 2 + 1)
            y (M, A)        K = 400 samples, 25 ms at 16 kHz

Forward     frames_a = samples[160 a - 200 : 160 a + 200] * window        10 ms from one to the next
            power    = |DFT of each frame|^2
            mel      = log10(max(power bands^T, 1e-10))
            y        = (max(mel, max of all mel - 8) + 4) / 4             80 dB below the loudest

            The sound goes on before its beginning and behind its end as in a mirror. The window is
            a raised cosine, periodic, that is 0 at its first sample.

Bands       Triangles, each from the middle of the band before it to that of the one behind it, of
            area 1 over the frequency (times 1, in Hz). Their middles are equally far apart in mel,
            which follows how far apart tones sound: by Slaney's scale (Auditory Toolbox, 1998)

                mel = 3 f / 200                          up to 1000 Hz
                mel = 15 + 27 log(f / 1000) / log(6.4)   above

These are Whisper's numbers (Radford et al., 2022, arXiv:2212.04356, section 2.2, and its code).
Nothing here has a backward: sound is data.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from npformer.errors import AudioError

Array = np.ndarray

RATE = 16_000
"""Samples in a second."""
WINDOW = 400
"""Samples of a frame (K)."""
HOP = 160
"""Samples from one frame to the next."""
HIGHEST = 8000.0
"""Hz at which the last band ends."""
QUIETEST, RANGE = 1e-10, 8.0
KINK, STEP = 1000.0, math.log(6.4) / 27
"""Hz from which mel grows with the logarithm, and by how much of it."""


def log_mel(samples: Array, mels: int = 80, frames: int | None = None) -> Array:
    """samples (n,) at 16 kHz -> y (mels, A), float32; A is n // 160, or ``frames``.

    A sound of fewer ``frames`` is filled up with silence. Raises AudioError for samples that are
    not one channel of finite numbers, are too few for a frame, or are more than ``frames``.
    """
    if samples.ndim != 1:
        raise AudioError(f"samples of shape {samples.shape}; give one channel, (samples,)")
    if not np.isfinite(samples).all():
        raise AudioError("the sound has samples that are no numbers (NaN or infinite)")
    wide = samples.astype(np.float64)
    if frames is not None:
        if len(wide) > frames * HOP:
            raise AudioError(
                f"a sound of {len(wide):,} samples; {frames:,} frames hold {frames * HOP:,}: cut it"
            )
        wide = np.pad(wide, (0, frames * HOP - len(wide)))
    if len(wide) <= WINDOW // 2:
        raise AudioError(
            f"a sound of {len(wide)} samples; a frame needs more than {WINDOW // 2}, "
            f"{WINDOW // 2 / RATE} s"
        )
    mirrored = np.pad(wide, WINDOW // 2, mode="reflect")
    # The last frame, around the sample behind the last one, is left out.
    cut = sliding_window_view(mirrored, WINDOW)[::HOP][: len(wide) // HOP]
    window = 0.5 - 0.5 * np.cos(2 * math.pi * np.arange(WINDOW) / WINDOW)
    power = np.abs(np.fft.rfft(cut * window)) ** 2  # (A, K / 2 + 1)
    mel = np.log10(np.maximum(mel_bands(mels) @ power.T, QUIETEST))  # (M, A)
    loudest = mel.max(initial=-math.inf)
    y: Array = ((np.maximum(mel, loudest - RANGE) + 4) / 4).astype(np.float32)
    return y


@functools.cache
def mel_bands(mels: int) -> Array:
    """(mels, WINDOW / 2 + 1): by how much each frequency counts in each band."""
    tones = np.linspace(0.0, RATE / 2, WINDOW // 2 + 1)
    corners = _hertz(np.linspace(0.0, _mel(HIGHEST), mels + 2))[:, None]
    low, middle, high = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (tones - low) / (middle - low), (high - tones) / (high - middle)
    bands = np.maximum(0.0, np.minimum(rising, falling)) * 2 / (high - low)
    bands.setflags(write=False)
    return bands


def _mel(hertz: float) -> float:
    if hertz < KINK:
        return 3 * hertz / 200
    return 3 * KINK / 200 + math.log(hertz / KINK) / STEP


def _hertz(mel: Array) -> Array:
    kink = 3 * KINK / 200
    return np.where(mel < kink, 200 * mel / 3, KINK * np.exp(STEP * (mel - kink)))
