"""Optimizers are found by file name: ``adam.py`` defines the one that is called adam."""

from __future__ import annotations

import functools

from npformer.discovery import classes_by_file
from npformer.optim.optimizer import Optimizer


@functools.cache
def optimizers() -> dict[str, type[Optimizer]]:
    """Every optimizer's class by the name of its file."""
    return classes_by_file("npformer.optim", Optimizer)
