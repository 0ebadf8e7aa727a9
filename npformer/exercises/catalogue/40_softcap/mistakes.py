"""Wrong ways to write this exercise: a wrong slope under a right forward, or a wrong forward."""

import numpy as np


def _slope(slope):
    """slope(u, cap) at u = x / cap."""

    def forward(x, cap):
        return cap * np.tanh(x / cap), (x / cap, cap)

    return {"softcap_forward": forward, "softcap_backward": lambda dy, c: dy * slope(*c)}


def _other(forward, slope):
    """A wrong y, with its own slope or the right one."""
    return {
        "softcap_forward": lambda x, cap: (forward(x, cap), (x, cap)),
        "softcap_backward": lambda dy, c: dy * slope(*c),
    }


def _right(x, cap):
    return 1 / np.cosh(x / cap) ** 2


MISTAKES = [
    ("dx lacks the cap before tanh: it is the slope of tanh(x / cap) alone",
     _slope(lambda u, cap: 1 / np.cosh(u) ** 2 / cap)),
    ("dx lacks the cap inside tanh", _slope(lambda u, cap: cap / np.cosh(u) ** 2)),
    ("the slope is 1 - tanh, without the square", _slope(lambda u, cap: 1 - np.tanh(u))),
    ("the slope is taken at y, not at x", _slope(lambda u, cap: 1 / np.cosh(np.tanh(u)) ** 2)),
    ("the slope is 1 - y^2; it must be 1 - (y / cap)^2",
     _slope(lambda u, cap: 1 - (cap * np.tanh(u)) ** 2)),
    ("dx is dy: the cap is left out of the backward", _slope(lambda u, cap: np.ones_like(u))),
    ("x is clamped to the cap, not bent",
     _other(lambda x, cap: np.clip(x, -cap, cap), lambda x, cap: np.abs(x) < cap)),
    ("y is not multiplied by the cap", _other(lambda x, cap: np.tanh(x / cap), _right)),
    ("y is not multiplied by the cap", _other(lambda x, cap: np.tanh(x / cap),
                                              lambda x, cap: _right(x, cap) / cap)),
    ("x is not divided by the cap", _other(lambda x, cap: cap * np.tanh(x), _right)),
    ("x is not divided by the cap", _other(lambda x, cap: cap * np.tanh(x),
                                           lambda x, cap: cap / np.cosh(x) ** 2)),
]  # fmt: skip
