"""Wrong ways to write this exercise, beyond those of the catalogue of mutants."""

from npformer.ops import silu_forward


def _silu(slope):
    """slope(x, gate) -> what dy is multiplied by."""
    return {
        "silu_forward": silu_forward,
        "silu_backward": lambda dy, cache: dy * slope(*cache),
    }


MISTAKES = [
    ("the slope of the gate lacks its factor x", _silu(lambda x, g: g + g * (1 - g))),
    ("y stands where x belongs in gate + x gate (1 - gate)",
     _silu(lambda x, g: g + x * g * g * (1 - g))),
    ("the slope of the gate lacks its factor 1 - gate", _silu(lambda x, g: g + x * g)),
    ("the gate, a factor of both terms, is left out: 1 + x (1 - gate)",
     _silu(lambda x, g: 1 + x * (1 - g))),
    ("gate + x gate (1 - x): x stands where gate belongs in 1 - gate",
     _silu(lambda x, g: g + x * g * (1 - x))),
    ("dy is multiplied by y itself, not by its slope", _silu(lambda x, g: x * g)),
    ("the gate itself is left out of the product rule", _silu(lambda x, g: x * g * (1 - g))),
    ("the slope of the gate has the wrong sign", _silu(lambda x, g: g - x * g * (1 - g))),
    ("the slope of the gate is taken for 1 - gate", _silu(lambda x, g: g + x * (1 - g))),
    ("the slope of the gate is taken for gate^2", _silu(lambda x, g: g + x * g * g)),
    ("the slope of tanh, 1 - gate^2, stands where that of the logistic function belongs",
     _silu(lambda x, g: g + x * (1 - g * g))),
]  # fmt: skip
