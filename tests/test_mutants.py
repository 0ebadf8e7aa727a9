"""The suite can fail: every wrong backward of the catalogue is caught, and no right one accused."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.cards.strategies import GeneratorSource
from npformer.errors import VerifyError
from npformer.verify.components.registry import COMPONENTS, component
from npformer.verify.judge import check_case
from npformer.verify.mutants import MUTANTS, MutantTrial, MutationScore, mutation_score, try_mutant
from npformer.verify.reference.oracles import DIRECTIONAL
from npformer.verify.tally import check_component


def test_the_catalogue_is_large_and_reaches_every_component():
    assert len(MUTANTS) >= 60
    assert {mutant.component for mutant in MUTANTS.values()} == set(COMPONENTS)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name):
    trial = try_mutant(MUTANTS[name])
    assert trial.caught, f"{MUTANTS[name].wrong}: nobody noticed in {trial.cases} cases"
    assert trial.failure.result != "the call", f"it crashed instead: {trial.failure}"


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", sorted({m.component for m in MUTANTS.values()}))
def test_what_the_mutants_are_made_of_is_not_accused(name, dtype):
    result = check_component(component(name), cases=25, dtype=dtype)
    assert result.passed, str(result.failure)


@pytest.mark.parametrize(
    "name",
    [n for n, m in MUTANTS.items() if m.site == "backward" and not m.beyond_forward],
)
def test_a_wrong_backward_is_caught_without_pytorch(name):
    mutant = MUTANTS[name]
    planted = mutant.plant(component(mutant.component))
    rng = np.random.default_rng([0, *planted.name.encode()])  # as in check_component
    drawn = (planted.draw(GeneratorSource(rng), np.float64) for _ in range(60))
    gaps = (check_case(planted, case, rng).directional for case in drawn)
    assert any(gap is not None and gap > 100 * DIRECTIONAL for gap in gaps)


def test_the_mutation_score_is_of_the_components_asked_for():
    score = mutation_score(["softmax", "SGD"])
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
