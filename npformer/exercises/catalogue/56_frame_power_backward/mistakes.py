"""Wrong ways to write this exercise, for the diagnosis."""

import numpy as np

WAVES = np.exp(2j * np.pi * np.outer(np.arange(5), np.arange(8)) / 8)


def _forward(samples, window, hop=3):
    at = np.arange(0, 20 - 8 + 1, hop)[:, None] + np.arange(8)
    z = np.fft.rfft(samples[:, at] * window)
    return z.real**2 + z.imag**2, (samples, window, at, z)


def _pair(backward):
    return {"frame_power_forward": _forward, "frame_power_backward": backward}


def _frames(dpower, cache):
    return (2 * dpower * cache[3] @ WAVES).real


def _ends(dframes, cache):
    """Both gradients of the frames'."""
    samples, window, at, _ = cache
    dsamples = np.zeros(samples.shape)
    for a, places in enumerate(at):
        dsamples[:, places] += dframes[:, a] * window
    return dsamples, (dframes * samples[:, at]).sum(axis=(0, 1))


def _of_frames(frames):
    """The pair with another gradient of the frames, frames(dpower, z)."""
    return _pair(lambda dpower, cache: _ends(frames(dpower, cache[3]), cache))


def _wrong(dsamples=None, dwindow=None):
    """The pair with another gradient made by change(dframes, cache)."""

    def backward(dpower, cache):
        dframes = _frames(dpower, cache)
        found = list(_ends(dframes, cache))
        for n, change in enumerate((dsamples, dwindow)):
            if change is not None:
                found[n] = change(dframes, cache)
        return tuple(found)

    return _pair(backward)


def _one_frame_a_sample(dframes, cache):
    samples, window, at, _ = cache
    dsamples = np.zeros(samples.shape)
    dsamples[:, at] += dframes * window
    return dsamples


def _no_window(dframes, cache):
    return _ends(dframes, (cache[0], np.ones(8), *cache[2:]))[0]


def _no_samples(dframes, cache):
    return dframes.sum(axis=(0, 1))


def _mean(dframes, cache):
    return _ends(dframes, cache)[1] / max(dframes.shape[0] * dframes.shape[1], 1)


def _first_sound(dframes, cache):
    return (dframes[:1] * cache[0][:1, cache[2]]).sum(axis=(0, 1))


MISTAKES = [
    ("a sample in two frames gets the gradient of one of them; both are added",
     _wrong(dsamples=_one_frame_a_sample)),
    ("the frequencies 1 to 3 count twice, as in irfft; each is there once",
     _of_frames(lambda dpower, z: 8 * np.fft.irfft(2 * dpower * z, 8))),
    ("irfft's own factors are left in: it divides by 8 and counts the frequencies 1 to 3 twice",
     _of_frames(lambda dpower, z: np.fft.irfft(2 * dpower * z, 8))),
    ("ifft's own factor is left in: it divides by 8",
     _of_frames(lambda dpower, z: np.fft.ifft(2 * dpower * z, 8).real)),
    ("the frames come back reversed in time: the waves turn the way of the forward",
     _of_frames(lambda dpower, z: (2 * dpower * z @ WAVES.conj()).real)),
    ("the factor 2 of the square is missing",
     _of_frames(lambda dpower, z: (dpower * z @ WAVES).real)),
    ("the imaginary part gets no gradient",
     _of_frames(lambda dpower, z: (2 * dpower * z.real @ WAVES).real)),
    ("dsamples lacks the window", _wrong(dsamples=_no_window)),
    ("dwindow lacks the samples", _wrong(dwindow=_no_samples)),
    ("dwindow is averaged over the frames; it is a sum", _wrong(dwindow=_mean)),
    ("dwindow is that of the first sound alone", _wrong(dwindow=_first_sound)),
]  # fmt: skip
