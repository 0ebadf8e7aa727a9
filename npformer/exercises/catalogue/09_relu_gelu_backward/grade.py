"""Two questions, ReLU first; the GELU is the exact one."""

import math

import numpy as np

from npformer.exercises.grading import against_component, first_failure
from npformer.ops import gelu_forward


def grade(submission, cases, seed):
    """ReLU's cases hold ties at 0: the kink is among them."""
    return first_failure(
        lambda: against_component(
            submission, "relu", "backward", cases=cases, seed=seed, mistakes=RELU
        ),
        lambda: against_component(
            submission,
            "gelu",
            "backward",
            cases=cases,
            seed=seed,
            static={"approximate": "none"},
            mistakes=GELU,
        ),
    )


def _relu(slope):
    """slope(x) -> what dy is multiplied by."""
    return {
        "relu_forward": lambda x: (np.maximum(x, 0), x),
        "relu_backward": lambda dy, x: dy * slope(x),
    }


def _gelu(slope):
    """slope(x, gate, density) -> what dy is multiplied by."""

    def backward(dy, cache):
        x, gate, _ = cache
        return dy * slope(x, gate, np.exp(-x * x / 2) / math.sqrt(2 * math.pi))

    return {"gelu_forward": gelu_forward, "gelu_backward": backward}


def _tanh(x):
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2) * (1 - np.tanh(inner) ** 2) / 2
    return (1 + np.tanh(inner)) / 2 + x * slope


RELU = [
    ("the gradient passes everywhere: y >= 0 is true of every y", "relu/open-at-zero"),
    ("the gradient passes where x is exactly 0; by convention it does not",
     _relu(lambda x: x >= 0)),
    ("the slope at the kink x = 0 is taken for 1/2; the convention is 0",
     _relu(lambda x: np.where(x == 0, 0.5, x > 0))),
    ("the gradient passes where x < 0 and is stopped where x > 0", _relu(lambda x: x < 0)),
]  # fmt: skip
GELU = [
    ("the slope of the gate stands alone: the gate itself is left out",
     _gelu(lambda x, gate, density: x * density)),
    ("the density stands alone: it is the slope of the gate, not of x gate",
     _gelu(lambda x, gate, density: density)),
    ("the density's exponent is -x^2, where -x^2 / 2 belongs",
     _gelu(lambda x, gate, density: gate + x * np.exp(-x * x) / math.sqrt(2 * math.pi))),
    ("the gate's slope is gate (1 - gate), which is the logistic function's",
     _gelu(lambda x, gate, density: gate + x * gate * (1 - gate))),
    ("the density term is subtracted", _gelu(lambda x, gate, density: gate - x * density)),
    ("the density has 1 / sqrt(pi), where 1 / sqrt(2 pi) belongs",
     _gelu(lambda x, gate, density: gate + x * density * math.sqrt(2))),
    ("the density has 1 / (2 pi), where 1 / sqrt(2 pi) belongs",
     _gelu(lambda x, gate, density: gate + x * density / math.sqrt(2 * math.pi))),
    ("y stands where x belongs in gate + x density",
     _gelu(lambda x, gate, density: gate + x * gate * density)),
    ("the slope is that of the approximation by tanh, and the forward is the exact GELU",
     _gelu(lambda x, gate, density: _tanh(x))),
]  # fmt: skip
