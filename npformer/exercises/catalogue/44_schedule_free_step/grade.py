"""Some steps from zero sums, at rates that differ; gradients are given, not taken at y."""

from pathlib import Path
from types import SimpleNamespace

from npformer.cards.strategies import draw_rng
from npformer.exercises.faults import Complaint, a_kind
from npformer.exercises.grading import against_function
from npformer.exercises.load import load_python

SOLUTION = load_python(Path(__file__).parent / "solution.py")
NAMES = ("z", "x", "y", "squares")


def grade(submission, cases, seed):
    """One question: what the last of some steps returns."""
    file = getattr(submission, "__file__", None)
    asked = SimpleNamespace(run_steps=_run(submission.schedule_free_step), __file__=file)
    mistakes = [(said, {"run_steps": _run(wrong)}) for said, wrong in MISTAKES]
    right = _run(SOLUTION.schedule_free_step)
    options = {"cases": cases, "seed": seed, "mistakes": mistakes}
    return against_function(asked, "run_steps", right, _draw, **options)


def _run(step):
    """The file's step, once for each gradient, with the results by name."""

    def run_steps(weight, gradients, rates, beta):
        """Raises ``Complaint`` if a step does not return its four results."""
        z, x, squares = weight.copy(), weight.copy(), 0.0
        found = (z, x, weight, squares)
        for gradient, rate in zip(gradients, rates, strict=True):
            found = step(z, x, gradient.copy(), squares, float(rate), beta)
            if not isinstance(found, (tuple, list)) or len(found) != len(NAMES):
                said = f"schedule_free_step returns {a_kind(found)}; it must return " + ", ".join(
                    NAMES
                )
                raise Complaint("type", said)
            z, x, _, squares = found
        return dict(zip(NAMES, found, strict=True))

    return run_steps


def _draw(source):
    steps, count = source.choice((1, 2, 3, 8)), source.integer(1, 4)
    rng = draw_rng(source)
    return {
        "weight": rng.standard_normal(count),
        "gradients": rng.standard_normal((steps, count)),
        "rates": rng.uniform(0.1, 1.0, steps),
        "beta": source.choice((0.9, 0.5)),
    }


def _wrong(share=None, y=None, kept=None, downhill=1, early=False):
    """The step with another share(rate, squares), y(z, x, beta) or sum."""

    def step(z, x, gradient, squares, rate, beta):
        old = z
        z = z - downhill * rate * gradient
        squares = squares + (rate**2 if kept is None else kept(rate))
        part = rate**2 / squares if share is None else share(rate, squares)
        x = x + part * ((old if early else z) - x)
        return z, x, (y or _right)(z, x, beta), squares

    return step


def _right(z, x, beta):
    return (1 - beta) * z + beta * x


def _mean_of_y(z, x, gradient, squares, rate, beta):
    z = z - rate * gradient
    squares = squares + rate**2
    y = (1 - beta) * z + beta * x
    return z, x + rate**2 / squares * (y - x), y, squares


MISTAKES = [
    ("z goes up the gradient; it should go down", _wrong(downhill=-1)),
    ("y is beta of z and 1 - beta of x: the two have changed places",
     _wrong(y=lambda z, x, beta: beta * z + (1 - beta) * x)),
    ("y is x itself: the next gradient is taken at the mean", _wrong(y=lambda z, x, beta: x)),
    ("y is z itself: nothing is interpolated", _wrong(y=lambda z, x, beta: z)),
    ("the rates count by themselves, not by their squares",
     _wrong(kept=lambda rate: rate, share=lambda rate, total: rate / total)),
    ("squares sums the rates, not their squares", _wrong(kept=lambda rate: rate)),
    ("this rate's square is missing in the share's divisor",
     _wrong(share=lambda rate, total: rate**2 / max(total - rate**2, 1e-12))),
    ("x is the newest z: nothing is averaged", _wrong(share=lambda rate, total: 1.0)),
    ("x takes in the z from before the step", _wrong(early=True)),
    ("x averages the y; it should average the z", _mean_of_y),
]  # fmt: skip
