"""Wrong ways to write this exercise, for the diagnosis."""

import numpy as np


def _slope(gate, s):
    return s + gate * s * (1 - s)


def _right(dy, cache):
    """The named gradients on the way, and the four that are asked for."""
    x, gate_weight, up_weight, down_weight, gate, up, s, h = cache
    dh = dy @ down_weight
    return dh, dh * up * _slope(gate, s), dh * gate * s


def _gated(dgate=None, dup=None, dx=None, down=lambda cache: cache[7], shared=None):
    """The backward with another gradient at the place of one, or another array."""

    def backward(dy, cache):
        x, gate_weight, up_weight, down_weight, gate, up, s, h = cache
        dh, right_gate, right_up = _right(dy, cache)
        at_gate = right_gate if dgate is None else dgate(dh, gate, up, s)
        at_up = right_up if dup is None else dup(dh, gate, up, s)
        both = at_gate @ gate_weight + at_up @ up_weight
        first, second = (at_gate, at_up) if shared is None else shared(at_gate, at_up)
        return (
            both if dx is None else dx(at_gate, at_up, gate_weight, up_weight),
            np.einsum("btf,btd->fd", first, x),
            np.einsum("btf,btd->fd", second, x),
            np.einsum("btd,btf->df", dy, down(cache)),
        )

    return {"gated_backward": backward}


MISTAKES = [
    ("up's share of dx is missing: x is read twice",
     _gated(dx=lambda a, b, gate_weight, up_weight: a @ gate_weight)),
    ("gate's share of dx is missing: x is read twice",
     _gated(dx=lambda a, b, gate_weight, up_weight: b @ up_weight)),
    ("dx goes back through each other's matrix",
     _gated(dx=lambda a, b, gate_weight, up_weight: a @ up_weight + b @ gate_weight)),
    ("the gradient of down_weight is taken with the activated gate, before up",
     _gated(down=lambda cache: cache[4] * cache[6])),
    ("the gradient of down_weight is taken with gate, not with h",
     _gated(down=lambda cache: cache[4])),
    ("the gradients of gate_weight and up_weight are in each other's place",
     _gated(shared=lambda a, b: (b, a))),
    ("the activation's slope is missing in dgate: dh * up",
     _gated(dgate=lambda dh, gate, up, s: dh * up)),
    ("the activation's slope in dgate is s alone, as if s were a constant",
     _gated(dgate=lambda dh, gate, up, s: dh * up * s)),
    ("dgate lacks the factor up", _gated(dgate=lambda dh, gate, up, s: dh * _slope(gate, s))),
    ("dup lacks the activation: dh * gate", _gated(dup=lambda dh, gate, up, s: dh * gate)),
    ("dup is dh * s: the factor gate of the activation is missing",
     _gated(dup=lambda dh, gate, up, s: dh * s)),
    ("the product is skipped on the way back: dgate and dup are both dh",
     _gated(dgate=lambda dh, gate, up, s: dh, dup=lambda dh, gate, up, s: dh)),
]  # fmt: skip
