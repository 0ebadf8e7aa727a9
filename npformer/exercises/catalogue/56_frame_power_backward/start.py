"""Exercise 56: the power of a sound's frames.

    samples (B, 20)    window (8,)    power, dpower (B, A, 5)

The forward is given. Write frame_power_backward, then:

    npformer exercise check frame_power_backward
    npformer exercise hint frame_power_backward
"""

import numpy as np


def frame_power_forward(samples, window, hop=3):
    """samples (B, 20), window (8,) -> power (B, A, 5), cache."""
    at = np.arange(0, 20 - 8 + 1, hop)[:, None] + np.arange(8)  # (A, 8)
    z = np.fft.rfft(samples[:, at] * window)  # (B, A, 5), complex
    return z.real**2 + z.imag**2, (samples, window, at, z)


def frame_power_backward(dpower, cache):
    """dpower (B, A, 5) -> dsamples (B, 20), dwindow (8,)."""
    samples, window, at, z = cache
    raise NotImplementedError("return dsamples, dwindow")
