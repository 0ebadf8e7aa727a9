"""The oracles' answers, kept for the wrong versions of one card and for nobody else."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from npformer.cards.case import Case
from npformer.verify.components.registry import COMPONENTS
from npformer.verify.mutants import MUTANTS
from npformer.verify.reference.kept import keeping, kept
from npformer.verify.reference.oracles import reference

RELU, SOFTMAX = COMPONENTS["relu"], COMPONENTS["softmax"]


def case(x: float = 1.0) -> Case:
    return Case({"x": np.array([x, 2.0])}, {}, np.ones(2))


class Asked:
    """Counts how often it is asked."""

    times = 0

    def __call__(self) -> int:
        self.times += 1
        return self.times


def test_an_equal_case_is_asked_once_and_another_for_itself():
    asked = Asked()
    with keeping():
        assert [kept(RELU, "twin", case(), asked) for _ in range(3)] == [1, 1, 1]
        assert kept(RELU, "scales", case(), asked) == 2
        assert kept(RELU, "twin", case(1 + 1e-15), asked) == 3
        assert kept(RELU, "twin", case().cast(np.float32), asked) == 4
        assert kept(RELU, "twin", case(), asked) == 1


def test_a_wrong_version_shares_its_cards_answers_and_another_card_has_its_own():
    asked = Asked()
    wrong = next(mutant for mutant in MUTANTS.values() if mutant.component == "softmax")
    with keeping():
        assert kept(SOFTMAX, "twin", case(), asked) == 1
        assert kept(wrong.plant(SOFTMAX), "twin", case(), asked) == 1
        assert kept(RELU, "twin", case(), asked) == 2
        assert kept(SOFTMAX, "twin", case(), asked) == 3  # of one card at a time


def test_outside_the_block_and_without_a_card_everyone_is_asked_each_time():
    asked = Asked()
    with keeping():
        kept(RELU, "twin", case(), asked)
        assert kept(dataclasses.make_dataclass("Own", [])(), "twin", case(), asked) == 2
    assert [kept(RELU, "twin", case(), asked) for _ in range(2)] == [3, 4]


def test_what_raises_is_asked_again():
    def fails() -> int:
        raise ValueError("not now")

    with keeping():
        with pytest.raises(ValueError, match="not now"):
            kept(RELU, "twin", case(), fails)
        assert kept(RELU, "twin", case(), lambda: 7) == 7


def test_the_reference_is_the_same_whether_or_not_it_is_kept():
    free = reference(SOFTMAX, case())[0]
    with keeping():
        for _ in range(2):
            for name, array in reference(SOFTMAX, case())[0].items():
                np.testing.assert_array_equal(array, free[name])


def test_a_key_has_all_digits_and_the_layout():
    def of(gradient: np.ndarray) -> Case:
        return Case({}, {"gradients": [{"weight": gradient}], "rate": 0.1}, np.ones(1))

    long = np.arange(2000.0)  # as text, an array of so many is cut short
    other = long.copy()
    other[1000] += 1e-9
    assert of(long).key == of(long.copy()).key
    assert of(long).key != of(other).key
    square = np.ones((2, 2))
    assert of(square).key != of(np.asfortranarray(square)).key
