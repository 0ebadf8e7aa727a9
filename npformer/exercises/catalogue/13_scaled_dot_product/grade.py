"""Masks of every kind on ordinary numbers, then numbers that are too large for exp."""

import dataclasses
from pathlib import Path

import numpy as np

from npformer.cards.case import Case
from npformer.cards.strategies import draw_rng
from npformer.exercises.grade import answer
from npformer.exercises.grading import against_component, first_failure
from npformer.exercises.load import load_python
from npformer.exercises.question import PairQuestion
from npformer.verify.components.registry import COMPONENTS

KNOWN = load_python(Path(__file__).parent / "mistakes.py")
LARGE = 60.0


def grade(submission, cases, seed):
    return first_failure(
        lambda: against_component(
            submission, "attention", "forward",
            cases=cases, seed=seed, static={"scale": None}, mistakes=KNOWN.MISTAKES,
        ),
        lambda: answer(_large(submission), submission, max(1, cases // 5), seed, KNOWN.OVERFLOWS),
    )  # fmt: skip


def _large(submission):
    """Scores in the thousands, of which the exponentials are infinite or all 0."""
    base = dataclasses.replace(COMPONENTS["attention"], draw_from=_draw)
    functions = {"forward": submission.attention_forward}
    return PairQuestion(
        "attention", base, largest=1e3, stem="attention", asked=("forward",), functions=functions
    )


def _draw(source, dtype):
    t, s, h = source.integer(1, 3), source.integer(1, 4), source.integer(1, 3)
    rng = draw_rng(source)
    inputs = {
        "q": LARGE * rng.standard_normal((1, t, 1, h)),
        "k": LARGE * rng.standard_normal((1, s, 1, h)),
        "v": rng.standard_normal((1, s, 1, 2)),
    }
    static = {"mask": None, "causal": False, "scale": None}
    return Case(inputs, static, np.ones((1, t, 1, 2)))
