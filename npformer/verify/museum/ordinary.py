"""The ordinary test that a card names is run, to see whether it does miss the wrong version."""

from __future__ import annotations

import numpy as np

from npformer.cards.case import Case
from npformer.cards.mutant import Mutant
from npformer.cards.ordinary import Ordinary
from npformer.verify.component import Component
from npformer.verify.components.registry import component
from npformer.verify.diagnosis.evidence import silence
from npformer.verify.museum.small import drawn, results
from npformer.verify.reference.oracles import directional_gap

CASES = 12
"""That a test tries."""
FEWEST = 5
"""That it must have tried for its silence to mean something."""
SLOPE = 1e-5
"""The gap that a test by finite differences lets through, relative to its terms."""


def missed(mutant: Mutant, test: Ordinary) -> bool:
    """Whether an ordinary test accepts a wrong version in all of its cases."""
    right = component(mutant.component)
    planted = mutant.plant(right)
    tried = 0
    for found in drawn(mutant.component):
        case = test.narrow(found.case)
        if case is None or not case.dy.size:
            continue
        if not _accepts(test, right, planted, case):
            return False
        tried += 1
        if tried == CASES:
            break
    return tried >= FEWEST


def _accepts(test: Ordinary, right: Component, planted: Component, case: Case) -> bool:
    if test.judge == "own forward":
        with silence():
            gap = directional_gap(planted, case, np.random.default_rng(0))
        return gap is None or gap < SLOPE
    wrong = results(planted, case)
    expected = results(right, case)
    if wrong is None or expected is None:
        return False
    if test.judge == "direction":
        (weight,) = case.inputs.values()
        return bool(np.vdot(expected["y"] - weight, wrong["y"] - weight) > 0)
    rtol, atol = test.tolerance
    return all(
        np.shape(a) == np.shape(wrong[name])
        and np.allclose(wrong[name], a, rtol, atol, equal_nan=True)
        for name, a in expected.items()
        if not test.results or name in test.results
    )
