"""Exercises: write the backward yourself, and have it graded by the gradient-equivalence engine.

    npformer exercise start linear_backward
    npformer exercise check linear_backward

``catalogue`` finds the exercises, built in or a teacher's own. ``runner`` runs a learner's file in
a child process with limits, where ``grade`` asks the exercise's ``Question`` of it: a submission
is right if its results are, whatever its formulas. ``progress`` remembers, ``notebook`` makes an
exercise a notebook. docs/exercises.md says how to write one.
"""

from npformer.exercises.exercise import Exercise, ExerciseError
from npformer.exercises.outcome import Outcome

__all__ = ["Exercise", "ExerciseError", "Outcome"]
