import numpy as np


def frame_power_forward(samples, window, hop=3):
    """samples (B, 20), window (8,) -> power (B, A, 5), cache."""
    at = np.arange(0, 13, hop)[:, None] + np.arange(8)
    z = np.fft.rfft(samples[:, at] * window)
    return np.abs(z) ** 2, (samples, window, at, z)


def frame_power_backward(dpower, cache):
    samples, window, at, z = cache
    dframes = 16 * np.fft.ifft(dpower * z, 8).real
    back = np.zeros((at.size, 20))
    back[np.arange(at.size), at.ravel()] = 1
    dsamples = (dframes * window).reshape(len(dpower), at.size) @ back
    return dsamples, (dframes * samples[:, at]).sum((0, 1))
