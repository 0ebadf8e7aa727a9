"""Any formulation of Adam's step; gradients are much larger than eps, like it, or smaller."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from npformer.cards.strategies import draw_rng
from npformer.exercises.faults import Complaint, a_kind
from npformer.exercises.grading import against_function
from npformer.exercises.load import load_python

SOLUTION = load_python(Path(__file__).parent / "solution.py")
NAMES = ("weight", "m", "v")


def grade(submission, cases, seed):
    """One question: what some updates in a row leave of weight, m and v."""
    file = getattr(submission, "__file__", None)
    asked = SimpleNamespace(run_adam=_run(submission.adam_step), __file__=file)
    mistakes = [(said, {"run_adam": _run(wrong)}) for said, wrong in MISTAKES]
    right = _run(SOLUTION.adam_step)
    options = {"cases": cases, "seed": seed, "mistakes": mistakes}
    return against_function(asked, "run_adam", right, _draw, **options)


def _run(adam_step):
    """run_adam of the file, with the results by name."""

    def run_adam(weight, gradients, **settings):
        """Raises ``Complaint`` if a step does not return its three arrays."""
        state = (weight.copy(), np.zeros_like(weight), np.zeros_like(weight))
        for step, gradient in enumerate(gradients, 1):
            weight, m, v = state
            state = adam_step(weight, gradient.copy(), m, v, step, **settings)
            if not isinstance(state, (tuple, list)) or len(state) != len(NAMES):
                said = f"adam_step returns {a_kind(state)}; it must return weight, m, v"
                raise Complaint("type", said)
        return dict(zip(NAMES, state, strict=True))

    return run_adam


def _draw(source):
    size = source.choice((1.0, 1e-9, 1e-4, 100.0))
    updates, count = source.choice((1, 2, 3, 30)), source.integer(1, 5)
    rng = draw_rng(source)
    return {
        "weight": rng.standard_normal(count),
        "gradients": size * rng.standard_normal((updates, count)),
        "learning_rate": source.choice((0.1, 0.01)),
        "beta1": 0.9,
        "beta2": source.choice((0.98, 0.999)),
        "eps": source.choice((0.1, 1e-3, 1e-9)),
    }


def _wrong(quotient, square=np.square, late=0, downhill=1):
    """Adam with another quotient, quotient(m, v, 1 - beta1^t, 1 - beta2^t, eps)."""

    def adam_step(weight, gradient, m, v, step, learning_rate, beta1, beta2, eps):
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * square(gradient)
        t = step + late
        step = quotient(m, v, 1 - beta1**t, 1 - beta2**t, eps)
        return weight - downhill * learning_rate * step, m, v

    return adam_step


def _right(m, v, c1, c2, eps):
    return m / c1 / (np.sqrt(v / c2) + eps)


def _exchanged(weight, gradient, m, v, step, learning_rate, beta1, beta2, eps):
    arguments = (step, learning_rate, beta2, beta1, eps)
    return SOLUTION.adam_step(weight, gradient, m, v, *arguments)


def _before(weight, gradient, m, v, step, learning_rate, beta1, beta2, eps):
    _, later_m, later_v = SOLUTION.adam_step(
        weight, gradient, m, v, step, learning_rate, beta1, beta2, eps
    )
    quotient = _right(m, v, 1 - beta1**step, 1 - beta2**step, eps)
    return weight - learning_rate * quotient, later_m, later_v


def _corrected_kept(weight, gradient, m, v, step, learning_rate, beta1, beta2, eps):
    weight, m, v = SOLUTION.adam_step(
        weight, gradient, m, v, step, learning_rate, beta1, beta2, eps
    )
    return weight, m / (1 - beta1**step), v / (1 - beta2**step)


def _gradient_of_mean(weight, gradient, m, v, step, learning_rate, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * gradient
    v = beta2 * v + (1 - beta2) * m**2
    step = _right(m, v, 1 - beta1**step, 1 - beta2**step, eps)
    return weight - learning_rate * step, m, v


def _times_step(weight, gradient, m, v, step, learning_rate, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * gradient
    v = beta2 * v + (1 - beta2) * gradient**2
    quotient = _right(m, v, 1 - beta1, 1 - beta2, eps)
    return weight - learning_rate * quotient, m, v


MISTAKES = [
    ("neither moment is corrected for starting at zero",
     _wrong(lambda m, v, c1, c2, eps: m / (np.sqrt(v) + eps))),
    ("the second moment is not corrected for starting at zero",
     _wrong(lambda m, v, c1, c2, eps: m / c1 / (np.sqrt(v) + eps))),
    ("the first moment is not corrected for starting at zero",
     _wrong(lambda m, v, c1, c2, eps: m / (np.sqrt(v / c2) + eps))),
    ("eps is inside the root; it belongs beside it",
     _wrong(lambda m, v, c1, c2, eps: m / c1 / np.sqrt(v / c2 + eps))),
    ("eps is added to the root of v before the correction, not after it",
     _wrong(lambda m, v, c1, c2, eps: m / c1 / (np.sqrt(v) + eps) * np.sqrt(c2))),
    ("eps is left out", _wrong(lambda m, v, c1, c2, eps: m / c1 / np.sqrt(v / c2))),
    ("the root multiplies where it should divide",
     _wrong(lambda m, v, c1, c2, eps: m / c1 * (np.sqrt(v / c2) + eps))),
    ("the root is left out: m is divided by v itself",
     _wrong(lambda m, v, c1, c2, eps: m / c1 / (v / c2 + eps))),
    ("the weight goes up the gradient; it should go down", _wrong(_right, downhill=-1)),
    ("the powers are taken for step + 1; step counts from 1 already", _wrong(_right, late=1)),
    ("the powers are taken for step - 1; step counts from 1 already", _wrong(_right, late=-1)),
    ("the corrections divide by 1 - beta, as at step 1, and not by 1 - beta^step", _times_step),
    ("beta1 and beta2 have changed places", _exchanged),
    ("the weight moves by the m and v from before this gradient", _before),
    ("the corrected m and v are returned; the next step needs the uncorrected ones",
     _corrected_kept),
    ("v is the running mean of m^2, not of gradient^2", _gradient_of_mean),
    ("v is the running mean of |gradient|, not of gradient^2", _wrong(_right, square=np.abs)),
]  # fmt: skip
