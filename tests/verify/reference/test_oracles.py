"""The references and the directional derivative."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from npformer.cards.case import Case
from npformer.cards.discovery import CARDS
from npformer.cards.strategies import GeneratorSource
from npformer.verify.components.op_component import OpComponent
from npformer.verify.components.registry import COMPONENTS, component
from npformer.verify.reference import oracles
from npformer.verify.reference.oracles import DIRECTIONAL, WIDE, directional_gap, reference

RNG = np.random.default_rng


def cube(dy_factor: float) -> OpComponent:
    """y = x^3 whose backward is dy_factor * dy x^2: right for 3."""
    pair = (lambda x: (x**3, x), lambda dy, x: dy_factor * dy * x * x)
    return component("relu").implemented_by(*pair)


def test_the_directional_derivative_tells_a_factor_from_the_right_one():
    case = Case({"x": np.array([1.0, -2.0, 0.5])}, {}, np.array([1.0, 1.0, -3.0]))
    assert directional_gap(cube(3.0), case, RNG(0)) < DIRECTIONAL / 10
    assert directional_gap(cube(3.001), case, RNG(0)) > 10 * DIRECTIONAL


def test_a_kink_on_the_line_is_no_verdict():
    pair = (lambda x: (np.abs(x), x), lambda dy, x: dy * np.sign(x))
    kinked = component("relu").implemented_by(*pair)
    case = Case({"x": np.array([1e-5, 1.0])}, {}, np.ones(2))
    assert directional_gap(kinked, case, RNG(0)) is None


class Lossy(OpComponent):
    """Somebody's own function, in float64 at most."""

    lenient, widest = True, np.float64


@pytest.mark.parametrize(("again", "gap"), [(3e-6, 3e-6), (None, None), (4e-7, None)])
def test_a_gap_counts_only_if_other_steps_show_it_too(monkeypatch, again, gap):
    """A determinant in float64: its differences settled, by luck, at one step of many."""
    usual = oracles._gap
    looks = {1.0: 3e-6}
    monkeypatch.setattr(oracles, "_gap", lambda *args: looks.get(args[-1], again))
    lossy = Lossy(component("relu").card, component("relu").pair, component("relu").draw_from)
    case = Case({"x": np.ones(1)}, {}, np.ones(1))
    assert directional_gap(lossy, case, RNG(0)) == gap
    assert usual(lossy, case, RNG(0), 1.3) < 1e-9


def test_a_row_frozen_by_convention_is_left_out(monkeypatch):
    embedding = component("embedding")
    case = Case(
        {"weight": np.ones((4, 3))}, {"ids": np.array([1, 2]), "padding_idx": 2}, np.ones((2, 3))
    )
    assert directional_gap(embedding, case, RNG(0)) < DIRECTIONAL
    monkeypatch.setattr(embedding.card, "frozen", lambda case: {})
    assert directional_gap(embedding, case, RNG(0)) > 0.01


@pytest.mark.skipif(not WIDE, reason="long double is no wider than float64 here")
def test_float64_is_measured_against_extended_precision_and_pytorch_vouches_for_it():
    softmax = component("softmax")
    case = softmax.draw(GeneratorSource(RNG(3)), np.float64)
    exact, referee = reference(softmax, case)
    assert exact["dx"].dtype == np.longdouble
    assert referee["dx"].dtype == np.float64


def test_float32_is_measured_against_pytorch_in_float64():
    softmax = component("softmax")
    case = softmax.draw(GeneratorSource(RNG(3)), np.float32)
    exact, referee = reference(softmax, case)
    assert exact["dx"].dtype == np.float64
    assert referee is None


@pytest.mark.skipif(not WIDE, reason="long double is no wider than float64 here")
def test_an_extended_reference_that_is_wrong_is_not_believed():
    from npformer.verify.tally import check_component

    real = component("softmax")
    wrong = (real.pair[0], lambda dy, cache: 2 * real.pair[1](dy, cache))
    result = check_component(dataclasses.replace(real, pair=wrong), cases=10)
    assert result.failure is not None


@pytest.mark.skipif(not WIDE, reason="long double is no wider than float64 here")
@pytest.mark.parametrize(("units", "accused"), [(10, False), (1e4, True)])
def test_pytorchs_own_rounding_accuses_nobody(monkeypatch, units, accused):
    """It was seen at 8.5 units, where the op itself was off by 1.8; a wrong formula is far off."""
    exact = OpComponent.precise

    def rounded(self, case):
        scales = self.scales(case)
        eps = np.finfo(np.float64).eps
        return {name: a + units * eps * scales[name] for name, a in exact(self, case).items()}

    monkeypatch.setattr(OpComponent, "precise", rounded)
    from npformer.verify.tally import check_component

    result = check_component(component("layer_norm"), cases=10)
    assert (result.failure is not None) == accused


DIFFERENTIATED = [
    name
    for name, each in COMPONENTS.items()
    if each.kind != "optimizer" and not CARDS[name].straight_through
]


@pytest.mark.parametrize("name", DIFFERENTIATED)
def test_most_cases_get_a_directional_derivative(name):
    from npformer.verify.tally import check_component

    cases = 40 if COMPONENTS[name].kind == "op" else 8
    assert check_component(component(name), cases).directional_cases >= cases * 0.3
