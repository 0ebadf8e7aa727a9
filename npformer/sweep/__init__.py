"""Sweeps: many runs that differ in a few settings, a table of them, and pictures.

``npformer.sweep.study`` needs optuna (extra ``sweep``); it is imported when a sweep starts.
"""

from npformer.sweep.result import Trial, Trials
from npformer.sweep.run import SweepResult, sweep
from npformer.sweep.space import Axis, Choices, Range, configure, search_space

__all__ = [
    "Axis",
    "Choices",
    "Range",
    "SweepResult",
    "Trial",
    "Trials",
    "configure",
    "search_space",
    "sweep",
]
