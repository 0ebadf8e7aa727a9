"""Who leaks, asked of the layers themselves; then each of them beside the definition."""

from pathlib import Path

import numpy as np

from npformer.cards.strategies import draw_rng
from npformer.errors import VerifyError
from npformer.exercises.faults import of_exception
from npformer.exercises.grading import against_function, first_failure
from npformer.exercises.load import load_python
from npformer.exercises.outcome import Outcome
from npformer.verify.models.check_model import check_model

SOLUTION = load_python(Path(__file__).parent / "solution.py")
LAYERS = ("attention", "kernel_attention", "experts", "running_mean", "normed")
WIDTH, LENGTHS = 4, (1, 2, 3, 5, 8)
SEEDS, VISIBLE = 50, 1e-9
ASK = """\
x = np.random.default_rng(0).standard_normal((1, 8, 4))
z = x.copy()
z[:, 5:] = 100 * np.random.default_rng(1).standard_normal((1, 3, 4))
for layer in (attention, kernel_attention, experts, running_mean, normed):
    print(layer.__name__, np.abs(layer(z) - layer(x))[:, :5].max())"""


class Layer:
    """A function of x as a module."""

    def __init__(self, function):
        self.function = function

    def forward(self, x):
        """x (B, T, D) -> y, and no cache."""
        return self.function(x), None


def grade(submission, cases, seed):
    """Who leaks; whether anybody still does; and whether each is what it was."""
    return first_failure(
        lambda: _names(submission),
        *(lambda name=name: _asked(submission, name, seed) for name in LAYERS),
        *(lambda name=name: _beside(submission, name, cases, seed) for name in LAYERS),
    )


def _names(submission):
    try:
        told = submission.who_leaks()
    except Exception as error:
        file = getattr(submission, "__file__", None)  # a notebook has none
        fault = of_exception(error, Path(file) if file else None)
        return Outcome("blank" if fault.kind == "blank" else "broken", fault.sentence, ASK)
    if not isinstance(told, list | tuple | set) or not set(told) <= set(LAYERS):
        return Outcome("broken", f"who_leaks must return names of {', '.join(LAYERS)}", ASK)
    told, right = set(told), set(SOLUTION.who_leaks())
    if extra := sorted(told - right):
        said = f"who_leaks names {extra[0]}, in which no later position changes an output"
        return Outcome("wrong", said, ASK)
    if right - told:
        return Outcome("wrong", "who_leaks misses a layer that leaks", ASK)
    return Outcome("passed", "")


def _asked(submission, name, seed):
    """The invariants, of one layer."""
    layer = Layer(getattr(submission, name))
    try:
        result = check_model(layer, causal=True, width=WIDTH, lengths=LENGTHS, seed=seed)
    except VerifyError:  # what is wrong with the call is told by the next question
        return Outcome("passed", "")
    if not result.broken:
        return Outcome("passed", "")
    seen = result.broken[0].broken
    return Outcome("wrong", f"{name}: {seen.what}", _example(layer.function, name, seen))


def _example(function, name, seen):
    """Two inputs that differ at a later position, of the first seed that shows it."""
    if seen.positions is None:
        return ASK
    changed, where = seen.positions
    shape = (2, seen.batch, seen.length, WIDTH)
    for number in range(SEEDS):
        x, z = np.random.default_rng(number).standard_normal(shape)
        z = np.where(np.arange(seen.length)[:, None] == changed, 30 * z, x)
        if np.abs(function(z) - function(x))[:, where].max() > VISIBLE:
            break
    return "\n".join(
        [
            f"x, z = np.random.default_rng({number}).standard_normal({shape})",
            f"z = np.where(np.arange({seen.length})[:, None] == {changed}, 30 * z, x)",
            f"print(({name}(z) - {name}(x))[:, {where}])  # must be 0",
        ]
    )


def _beside(submission, name, cases, seed):
    def draw(source):
        batch, length = source.integer(1, 3), source.integer(1, 7)
        rng = draw_rng(source)
        return {"x": np.round(rng.standard_normal((batch, length, WIDTH)), 3)}

    right = getattr(SOLUTION, name)
    return against_function(submission, name, right, draw, cases=cases // len(LAYERS), seed=seed)
