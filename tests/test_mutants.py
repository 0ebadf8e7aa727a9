"""The suite can fail: every wrong backward of the catalogue is caught.

And it says what is wrong: the right diagnosis comes first for nearly all. That no right component
is accused is asked in test_gradients.py and test_modules.py, in both precisions.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import settings

from npformer.cards.strategies import GeneratorSource
from npformer.errors import VerifyError
from npformer.models import Model
from npformer.nn import Layer, Stack
from npformer.verify.components.registry import COMPONENTS, component
from npformer.verify.diagnosis.diagnosis import Diagnosis
from npformer.verify.diagnosis.rate import (
    DiagnosisRate,
    DiagnosisTrial,
    diagnosed,
    diagnosis_rate,
)
from npformer.verify.judge import directional
from npformer.verify.mutants import MUTANTS, MutantTrial, MutationScore, mutation_score, try_mutant
from npformer.verify.reference.kept import keeping
from npformer.verify.reference.oracles import DIRECTIONAL
from tests.exhaustive import QUICK, share


def test_the_catalogue_is_large_and_reaches_every_component():
    assert len(MUTANTS) >= 60
    assert {mutant.component for mutant in MUTANTS.values()} == set(COMPONENTS)


def is_large(name: str) -> bool:
    module = getattr(getattr(COMPONENTS[name], "card", None), "module", object)
    return issubclass(module, Layer | Stack | Model)


@functools.cache
def spared() -> set[str]:
    """Those that are caught but not diagnosed.

    Each mistake of a whole layer or model takes seconds: one in three is diagnosed. In CI it is one
    in four of each component.
    """
    if settings.get_current_profile_name() == "deep":
        return set()
    large = [m.name for m in MUTANTS.values() if is_large(m.component)]
    left_out = set(large) - {*large[::3]}
    if QUICK:
        asked = share(MUTANTS.values(), lambda m: m.component, one_in=4)
        left_out |= MUTANTS.keys() - {m.name for m in asked}
    return left_out


class Met(NamedTuple):
    """What the checker made of a component's mutants."""

    trials: tuple[MutantTrial, ...]
    diagnoses: tuple[DiagnosisTrial, ...]


@functools.cache
def met(name: str) -> Met:
    """Once for all tests here, and in one pass, in which an oracle is asked once about a case."""
    with keeping():
        trials = tuple(try_mutant(m) for m in MUTANTS.values() if m.component == name)
        asked = (trial for trial in trials if trial.mutant.name not in spared())
        return Met(trials, tuple(map(diagnosed, asked)))


@pytest.mark.parametrize("name", COMPONENTS)
def test_every_mutant_is_caught(name):
    for trial in met(name).trials:
        assert trial.caught, f"{trial.mutant}: nobody noticed in {trial.cases} cases"
        assert trial.failure.result != "the call", f"{trial.mutant} crashed: {trial.failure}"


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_wrong_backward_is_caught_without_pytorch(name):
    for trial in met(name).trials:
        mutant = trial.mutant
        if mutant.site != "backward" or mutant.beyond_forward:
            continue
        planted = mutant.plant(component(name))
        rng = np.random.default_rng([0, *planted.name.encode()])  # as in check_component
        drawn = (planted.draw(GeneratorSource(rng), np.float64) for _ in range(60))
        gaps = (directional(planted, case, rng) for case in drawn)
        assert any(gap is not None and gap > 100 * DIRECTIONAL for gap in gaps), mutant


def test_the_right_diagnosis_comes_first():
    rate = DiagnosisRate(tuple(trial for name in COMPONENTS for trial in met(name).diagnoses))
    assert rate.rate >= 0.95, str(rate)


def test_a_wrong_or_unsure_answer_lowers_the_rate():
    mutant = MUTANTS["softmax/zero"]
    right = Diagnosis("this is what you get when ...", "dx", (mutant.name,))
    rate = DiagnosisRate(
        (
            DiagnosisTrial(mutant, (right,)),
            DiagnosisTrial(mutant, ()),
            DiagnosisTrial(mutant, (Diagnosis("dx is zero", "dx"), right)),
            DiagnosisTrial(mutant, (Diagnosis("...", "dx", (mutant.name,), score=0.5), right)),
        )
    )
    assert rate.rate == 0.25
    assert str(rate).splitlines()[0] == "the right diagnosis came first for 1 of 4 mutants, 25.0%"
    assert "nothing was found" in str(rate)


def test_the_diagnosis_rate_is_of_the_components_asked_for():
    rate = diagnosis_rate(["softmax"], cases=20)
    assert {trial.mutant.component for trial in rate.trials} == {"softmax"}
    with pytest.raises(VerifyError, match="'softmx' does not exist.*'softmax'"):
        diagnosis_rate(["softmx"])


def test_the_mutation_score_is_of_the_components_asked_for():
    score = mutation_score(["softmax", "SGD"], cases=30)
    assert {trial.mutant.component for trial in score.trials} == {"softmax", "SGD"}
    assert score.passed
    assert score.to_dict()["caught"] == score.total


def test_a_survivor_lowers_the_mutation_score():
    trials = tuple(MutantTrial(m, 10, None) for m in list(MUTANTS.values())[:4])
    score = MutationScore((*trials, try_mutant(MUTANTS["softmax/zero"])))
    assert score.rate == pytest.approx(0.2)
    assert not score.passed


def test_a_component_that_does_not_exist_is_named():
    with pytest.raises(VerifyError, match="'dropuot' does not exist.*did you mean 'dropout'"):
        mutation_score(["dropuot"])
