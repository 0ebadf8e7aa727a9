"""Each invariant holds of the real op and is broken by a wrong one, with no other oracle's help."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.cards.discovery import CARDS
from npformer.cards.strategies import GeneratorSource
from npformer.verify.components.registry import component
from npformer.verify.judge import violation
from npformer.verify.mutants import MUTANTS
from npformer.verify.units.error import CAP

INVARIANTS = [(card.name, i.what) for card in CARDS.values() for i in card.invariants]


def test_every_invariant_names_a_wrong_version_that_breaks_it():
    for card in CARDS.values():
        for invariant in card.invariants:
            assert f"{card.name}/{invariant.broken_by}" in MUTANTS, invariant.what


def worst_violation(invariant, planted, real, cases=80):
    """Over many cases, in rounding units."""
    source = GeneratorSource(np.random.default_rng(2))
    worst = 0.0
    with np.errstate(all="ignore"):
        for _ in range(cases):
            case = real.draw(source, np.dtype(np.float64))
            result, scales = planted.run(case), real.scales(case)
            for finding in invariant.findings(planted, case, result, scales):
                worst = max(worst, violation(finding, np.dtype(np.float64)))
    return worst


@pytest.mark.parametrize(("name", "what"), INVARIANTS)
def test_an_invariant_tells_right_from_wrong(name, what):
    real = component(name)
    invariant = next(i for i in real.invariants if i.what == what)
    wrong = MUTANTS[f"{name}/{invariant.broken_by}"].plant(real)
    assert worst_violation(invariant, real, real) <= CAP
    assert worst_violation(invariant, wrong, real) > CAP
