"""Each invariant holds of the real op and is broken by a wrong one, with no other oracle's help."""

from __future__ import annotations

import functools

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


def violations(invariants, planted, real, cases=80):
    """Case by case, by how much each of ``invariants`` is violated, in rounding units."""
    source = GeneratorSource(np.random.default_rng(2))
    for _ in range(cases):
        with np.errstate(all="ignore"):
            case = real.draw(source, np.dtype(np.float64))
            result, scales = planted.run(case), real.scales(case)
            found = {
                invariant.what: max(
                    (
                        violation(finding, np.dtype(np.float64))
                        for finding in invariant.findings(planted, case, result, scales)
                    ),
                    default=0.0,
                )
                for invariant in invariants
            }
        yield found


@functools.lru_cache(maxsize=1)
def worst_of_the_real_one(name):
    """By invariant: a card's stand together, and look at the same runs of it.

    A few, for every case that a component is checked on asks for its invariants (test_gradients.py,
    test_modules.py).
    """
    real = component(name)
    every = list(violations(real.invariants, real, real, cases=6))
    return {i.what: max(of[i.what] for of in every) for i in real.invariants}


@pytest.mark.parametrize(("name", "what"), INVARIANTS)
def test_an_invariant_tells_right_from_wrong(name, what):
    real = component(name)
    invariant = next(i for i in real.invariants if i.what == what)
    wrong = MUTANTS[f"{name}/{invariant.broken_by}"].plant(real)
    assert worst_of_the_real_one(name)[what] <= CAP
    assert any(of[what] > CAP for of in violations([invariant], wrong, real))
