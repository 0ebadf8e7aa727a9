"""Mistakes in functions that no catalogue knows: each is named, and none is named wrongly."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from npformer.cards.strategies import GeneratorSource
from npformer.verify.diagnosis import diagnose_implementation
from npformer.verify.diagnosis.evidence import Evidence, observe
from npformer.verify.diagnosis.telling import Seen
from npformer.verify.subjects.prepare import prepare
from tests.verify.diagnosis.planted import PLANTED

CASES = 60


def seen(component) -> Seen:
    """Cases as a check has seen them when it asks for a diagnosis."""
    source = GeneratorSource(np.random.default_rng(0))
    failing, passing = [], []
    for i in range(CASES):
        case = component.draw(source, np.dtype(np.float64 if i % 2 else np.float32))
        wrong = Evidence.of(component, case, observe(component, case)).names
        (failing if wrong else passing).append(case)
    return Seen(failing, passing)


@pytest.mark.parametrize("name", PLANTED)
def test_the_first_diagnosis_is_the_mistake(name):
    planted = PLANTED[name]
    component = prepare(planted.subject, planted.inputs, planted.against)
    component = dataclasses.replace(component, entrywise=True)
    cases = seen(component)
    found = diagnose_implementation(component, cases.failing[0], 0, cases)
    said = found[0].sentence if found else ""
    assert all(word in said for word in planted.says), said
    assert not any(word in said for word in planted.never), said
