"""Wrong ways to write this exercise, beyond those of the catalogue of mutants."""

import numpy as np


def _forward(gate, up, alpha=1.702, limit=7.0):
    g, u = np.minimum(gate, limit), np.clip(up, -limit, limit)
    s = 1 / (1 + np.exp(-alpha * g))
    return g * s * (u + 1), (gate, up, g, u, s, alpha, limit)


def _clamped(dg=None, du=None, gate_mask=None, up_mask=None):
    """The backward with another gradient of g or u, or another mask."""

    def backward(dy, cache):
        gate, up, g, u, s, alpha, limit = cache
        slope = s + g * alpha * s * (1 - s)
        at_g = dy * ((u + 1) * slope if dg is None else dg(g, u, s, alpha))
        at_u = dy * (g * s if du is None else du(g, u, s))
        gate_open = gate <= limit if gate_mask is None else gate_mask(gate, limit)
        up_open = np.abs(up) <= limit if up_mask is None else up_mask(up, limit)
        return np.where(gate_open, at_g, 0), np.where(up_open, at_u, 0)

    return {"swiglu_clamped_forward": _forward, "swiglu_clamped_backward": backward}


MISTAKES = [
    ("dup is stopped above limit alone, and not below -limit",
     _clamped(up_mask=lambda up, limit: up <= limit)),
    ("the gradient of gate is stopped at its bound; it passes there",
     _clamped(gate_mask=lambda gate, limit: gate < limit)),
    ("the gradient of up is stopped at its bounds; it passes there",
     _clamped(up_mask=lambda up, limit: np.abs(up) < limit)),
    ("both gradients pass beyond the bounds and are stopped within them",
     _clamped(gate_mask=lambda gate, limit: gate > limit,
              up_mask=lambda up, limit: np.abs(up) > limit)),
    ("the mask of up is never applied",
     _clamped(up_mask=lambda up, limit: np.full(up.shape, True))),
    ("the mask of gate is never applied",
     _clamped(gate_mask=lambda gate, limit: np.full(gate.shape, True))),
    ("dgate is the slope of a fixed sigmoid: the term of ds/dg is missing",
     _clamped(dg=lambda g, u, s, alpha: (u + 1) * s)),
    ("ds/dg lacks its factor g",
     _clamped(dg=lambda g, u, s, alpha: (u + 1) * (s + alpha * s * (1 - s)))),
    ("dgate lacks the factor u + 1",
     _clamped(dg=lambda g, u, s, alpha: s + g * alpha * s * (1 - s))),
    ("alpha multiplies both terms of dgate; it belongs to the slope of s alone",
     _clamped(dg=lambda g, u, s, alpha: (u + 1) * alpha * (s + g * s * (1 - s)))),
    ("dup lacks the factor g: dy * s", _clamped(du=lambda g, u, s: s)),
    ("dup lacks the factor s: dy * g", _clamped(du=lambda g, u, s: g)),
]  # fmt: skip
