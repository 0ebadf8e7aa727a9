import numpy as np

ANGLES = 2 * np.pi * np.outer(np.arange(5), np.arange(8)) / 8


def frame_power_forward(samples, window, hop=3):
    """samples (B, 20), window (8,) -> power (B, A, 5), cache."""
    at = np.arange(0, 13, hop)[:, None] + np.arange(8)
    frames = samples[:, at] * window
    re, im = frames @ np.cos(ANGLES).T, -frames @ np.sin(ANGLES).T
    return re**2 + im**2, (samples, window, at, re, im)


def frame_power_backward(dpower, cache):
    samples, window, at, re, im = cache
    dframes = (2 * dpower * re) @ np.cos(ANGLES) - (2 * dpower * im) @ np.sin(ANGLES)
    dsamples = np.zeros(samples.shape)
    np.add.at(dsamples, (slice(None), at), dframes * window)
    return dsamples, np.einsum("bat,bat->t", dframes, samples[:, at])
