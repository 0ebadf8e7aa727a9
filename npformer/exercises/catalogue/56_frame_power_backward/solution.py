"""Exercise 56: the power of a sound's frames."""

import numpy as np


def frame_power_forward(samples, window, hop=3):
    """samples (B, 20), window (8,) -> power (B, A, 5), cache."""
    at = np.arange(0, 20 - 8 + 1, hop)[:, None] + np.arange(8)  # (A, 8)
    z = np.fft.rfft(samples[:, at] * window)  # (B, A, 5), complex
    return z.real**2 + z.imag**2, (samples, window, at, z)


def frame_power_backward(dpower, cache):
    """dpower (B, A, 5) -> dsamples (B, 20), dwindow (8,)."""
    samples, window, at, z = cache
    waves = np.exp(2j * np.pi * np.outer(np.arange(5), np.arange(8)) / 8)  # (5, 8)
    dframes = (2 * dpower * z @ waves).real  # (B, A, 8)
    dsamples = np.zeros(samples.shape)
    for a, places in enumerate(at):
        dsamples[:, places] += dframes[:, a] * window
    return dsamples, (dframes * samples[:, at]).sum(axis=(0, 1))
