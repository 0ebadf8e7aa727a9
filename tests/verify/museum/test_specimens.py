"""What a card says of a wrong gradient that was seen in public is true."""

from __future__ import annotations

import dataclasses
import re

import pytest

from npformer.cards.ordinary import ONES, only
from npformer.verify.components.registry import component
from npformer.verify.museum.ordinary import missed
from npformer.verify.museum.small import shapes, smallest
from npformer.verify.mutants import MUTANTS
from tests.exhaustive import shared

SPECIMENS = {name: mutant for name, mutant in MUTANTS.items() if mutant.seen}


def component_of(name: str) -> str:
    return SPECIMENS[name].component


def test_the_museum_is_large():
    assert len(SPECIMENS) >= 60
    assert len({mutant.component for mutant in SPECIMENS.values()}) >= 20


@pytest.mark.parametrize("name", SPECIMENS)
def test_a_specimen_has_a_source(name):
    assert re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", SPECIMENS[name].seen)
    assert SPECIMENS[name].missed_by is not None


@pytest.mark.parametrize("name", shared(SPECIMENS, component_of, one_in=4))
def test_both_statements_on_a_specimen_are_true(name):
    """The checker itself finds the smallest shapes, and the ordinary test is run.

    In CI for one in four of each component.
    """
    mutant = SPECIMENS[name]
    found = smallest(mutant)
    assert found is not None, "nobody notices in any small case"
    assert shapes(component(mutant.component), found.case) == mutant.smallest
    assert missed(mutant, mutant.missed_by), f"a test with {mutant.missed_by.words} catches it"


def test_a_statement_can_be_untrue():
    """A test that would catch the mistake, and one that never tries, do not miss it."""
    mutant = SPECIMENS["rms_norm/weight-twice"]
    assert not missed(mutant, ONES)
    assert not missed(mutant, only("nothing", lambda case: False))
    right = component(mutant.component).pair[1]
    assert smallest(dataclasses.replace(mutant, function=right)) is None
