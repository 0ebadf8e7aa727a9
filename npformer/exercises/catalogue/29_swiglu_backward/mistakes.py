"""Wrong ways to write this exercise, beyond those of the catalogue of mutants."""

from npformer.ops import swiglu_forward


def _swiglu(gate_slope, up_slope=lambda g, u, s: g * s):
    """What dy is multiplied by, for gate and for up: functions of (gate, up, s)."""
    return {
        "swiglu_forward": swiglu_forward,
        "swiglu_backward": lambda dy, cache: (dy * gate_slope(*cache), dy * up_slope(*cache)),
    }


def _right(g, u, s):
    return u * (s + g * s * (1 - s))


MISTAKES = [
    ("the second term of dgate has the wrong sign",
     _swiglu(lambda g, u, s: u * (s - g * s * (1 - s)))),
    ("the slope of s is taken for 1 - s", _swiglu(lambda g, u, s: u * (s + g * (1 - s)))),
    ("dgate is the slope of s alone: the factor gate, and the term of a fixed s, are missing",
     _swiglu(lambda g, u, s: u * s * (1 - s))),
    ("dgate lacks the term in which s stays and gate moves",
     _swiglu(lambda g, u, s: u * g * s * (1 - s))),
    ("up is in the first term of dgate alone", _swiglu(lambda g, u, s: u * s + g * s * (1 - s))),
    ("dgate is multiplied by gate * s, the other gradient's factor, and not by up",
     _swiglu(lambda g, u, s: g * s * (s + g * s * (1 - s)))),
    ("dup has the slope of the activation where its value belongs",
     _swiglu(_right, lambda g, u, s: s + g * s * (1 - s))),
    ("dup is dy itself: up passes as if it were added", _swiglu(_right, lambda g, u, s: 1 + 0 * g)),
    ("dup has the wrong sign", _swiglu(_right, lambda g, u, s: -g * s)),
]  # fmt: skip
