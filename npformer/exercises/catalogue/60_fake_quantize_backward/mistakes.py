"""Wrong ways to write this exercise: those on the op's card by name, and others."""

import numpy as np


def fake_quantize_forward(x, scale, *, zero=0, low=-128, high=127):
    """x (..., D), scale (...) -> y (..., D), cache."""
    u = x / scale
    q = np.rint(u) + zero
    y = (np.clip(q, low, high) - zero) * scale
    return y, (u, q, zero, low, high, scale.shape)


def summed_to(x, shape):
    """The sum of x over the axes along which an array of that shape was broadcast to it."""
    x = x.sum(axis=tuple(range(x.ndim - len(shape))))
    wider = tuple(i for i, size in enumerate(shape) if size == 1 and x.shape[i] != 1)
    return x.sum(axis=wider, keepdims=True)


def _wrong(inside=lambda u, q, zero, low, high: (low <= q) & (q <= high), error=True, clipped=True):
    """With another mask, without the rounding's error, or without what is clipped in dscale."""

    def backward(dy, cache):
        u, q, zero, low, high, shape = cache
        passes = (low <= q) & (q <= high)
        outside = np.clip(q, low, high) - zero if clipped else 0 * q
        slope = np.where(passes, (q - zero) - u if error else q - zero, outside)
        dx = np.where(inside(u, q, zero, low, high), dy, 0)
        return dx, summed_to(dy * slope, shape)

    return {"fake_quantize_forward": fake_quantize_forward, "fake_quantize_backward": backward}


MISTAKES = [
    ("what was clipped gets a gradient", _wrong(lambda u, q, zero, low, high: q == q)),
    ("the two ends of the grid are left out of the mask",
     _wrong(lambda u, q, zero, low, high: (low < q) & (q < high))),
    ("the mask is made of u, before it is rounded",
     _wrong(lambda u, q, zero, low, high: (low <= u + zero) & (u + zero <= high))),
    ("dscale inside lacks - u: it is the error of the rounding", _wrong(error=False)),
    ("what is clipped has no part in dscale", _wrong(clipped=False)),
    ("the rounding is differentiated: dx is 0", "fake_quantize/derivative-of-round"),
    ("dscale is the mean over what shares it", "fake_quantize/scale-mean"),
    ("dy is taken for 1", "fake_quantize/upstream-ignored"),
]  # fmt: skip
