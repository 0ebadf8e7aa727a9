"""Every card is a component."""

from __future__ import annotations

import pytest

from npformer.cards import CARDS
from npformer.errors import VerifyError
from npformer.verify.components.registry import COMPONENTS, component
from npformer.verify.mutants import mutation_score


def test_names_are_unique():
    assert len(COMPONENTS) == len(CARDS)


def test_an_unknown_component_is_refused_with_the_nearest_name():
    with pytest.raises(VerifyError, match="'layernorm' does not exist.*did you mean 'layer_norm'"):
        component("layernorm")


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("muon", "Muon"),
        ("gpt", "GPT"),
        ("schedule_free", "ScheduleFree"),
        ("linear", "linear"),
        ("Linear", "Linear"),
    ],
)
def test_case_and_underscores_count_only_where_they_tell_two_apart(said, name):
    assert component(said).name == name


def test_what_may_be_two_components_names_neither():
    with pytest.raises(VerifyError, match="did you mean 'linear' or 'Linear'"):
        component("LINEAR")


def test_mutants_are_found_by_any_case_of_letters():
    assert {t.mutant.component for t in mutation_score(["sgd"], cases=5).trials} == {"SGD"}
