"""Wrong ways to write this exercise, for the diagnosis."""

import numpy as np


def _forward(z, x, weight):
    s = 1 / (1 + np.exp(-np.einsum("btd,nhd->btnh", x, weight)))
    return z * s, (z, s, x, weight)


def _wrong(dz=lambda dy, z, s: dy * s, dgate=lambda dy, z, s: dy * z * s * (1 - s),
           dx="btnh,nhd->btd", dweight=lambda g, x: np.einsum("btnh,btd->nhd", g, x)):  # fmt: skip
    """The pair with another dz, slope of the gate, sum over the heads, or dweight."""

    def backward(dy, cache):
        z, s, x, weight = cache
        g = dgate(dy, z, s)
        found = np.einsum(dx, g, weight) if isinstance(dx, str) else dx(g, weight)
        return dz(dy, z, s), found, dweight(g, x)

    return {"gated_heads_forward": _forward, "gated_heads_backward": backward}


MISTAKES = [
    ("the gate is left out of dz: y is z times s", _wrong(dz=lambda dy, z, s: dy)),
    ("the gate is taken for a constant: nothing goes back by it",
     _wrong(dgate=lambda dy, z, s: np.zeros_like(dy))),
    ("the slope of the sigmoid is missing", _wrong(dgate=lambda dy, z, s: dy * z)),
    ("the slope is s; it is s (1 - s)", _wrong(dgate=lambda dy, z, s: dy * z * s)),
    ("the slope is 1 - s; it is s (1 - s)", _wrong(dgate=lambda dy, z, s: dy * z * (1 - s))),
    ("the slope is that of tanh, 1 - s^2", _wrong(dgate=lambda dy, z, s: dy * z * (1 - s * s))),
    ("z is left out of the gate's gradient", _wrong(dgate=lambda dy, z, s: dy * s * (1 - s))),
    ("y stands where z belongs: s is in the gate's gradient once too often",
     _wrong(dgate=lambda dy, z, s: dy * z * s * s * (1 - s))),
    ("dx is the first head's alone; it is the sum over the heads",
     _wrong(dx=lambda g, w: np.einsum("bth,hd->btd", g[:, :, 0], w[0]))),
    ("dx is averaged over the heads",
     _wrong(dx=lambda g, w: np.einsum("btnh,nhd->btd", g, w) / len(w))),
    ("dweight is averaged over the positions",
     _wrong(dweight=lambda g, x: np.einsum("btnh,btd->nhd", g, x)
            / max(x.shape[0] * x.shape[1], 1))),
    ("dweight is the last sentence's alone",
     _wrong(dweight=lambda g, x: np.einsum("btnh,btd->nhd", g[-1:], x[-1:]))),
    ("dz and what goes to the gate have changed places",
     _wrong(dz=lambda dy, z, s: dy * z * s * (1 - s), dgate=lambda dy, z, s: dy * s)),
]  # fmt: skip
