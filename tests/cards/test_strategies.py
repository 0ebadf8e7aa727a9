"""Letter specs and the two sources of choices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from npformer.cards.case import draw_case
from npformer.cards.strategies import (
    GeneratorSource,
    HypothesisSource,
    arrays_like,
    draw_sizes,
    parse_spec,
)
from npformer.errors import VerifyError
from npformer.verify import component
from npformer.verify.component import cases
from tests.examples import examples


@examples(1)
@given(arrays_like("btd, d, db"))
def test_one_size_is_drawn_for_each_letter(arrays):
    x, d, db = arrays
    assert (x.shape[2],) == d.shape
    assert db.shape == (x.shape[2], x.shape[0])


@examples(1)
@given(st.data())
def test_letters_differ_in_size_but_for_one(data):
    sizes = list(draw_sizes(HypothesisSource(data.draw), "abcde", {"a": 1}).values())
    usual = [s for s in sizes if s > 1]
    assert len(usual) >= 4
    assert len(set(usual)) == len(usual)
    assert sizes[0] >= 1


def test_sizes_0_and_1_all_layouts_and_extremes_are_reached():
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(2000):
        case = draw_case(GeneratorSource(rng), "btd, d -> btd", ("x", "w"), np.float32)
        x = case.inputs["x"]
        seen |= {f"size {s}" for s in x.shape}
        seen |= {"read-only"} if not x.flags.writeable else set()
        seen |= {"negative"} if min(x.strides) < 0 else set()
        seen |= {"Fortran"} if x.flags.f_contiguous and not x.flags.c_contiguous else set()
        seen |= {"large"} if np.abs(x).max(initial=0) > 1e28 else set()
        seen |= {"subnormal"} if 0 < np.abs(x).max(initial=0) < 1e-38 else set()
        seen |= {"upstream"} if np.abs(case.dy).max(initial=0) > 1e9 else set()
    assert seen >= {"size 0", "size 1", "read-only", "negative", "Fortran", "large", "subnormal",
                    "upstream"}  # fmt: skip


def test_limits_bound_the_magnitudes():
    rng = np.random.default_rng(0)
    for _ in range(300):
        case = draw_case(
            GeneratorSource(rng), "ab -> ab", ("x",), np.float64, limits={"x": (-8, 4)}
        )
        assert np.abs(case.inputs["x"]).max(initial=0) <= 50e4


def test_hypothesis_shrinks_a_case_to_a_small_one():
    case = find(
        cases(component("softmax"), np.float64),
        lambda c: c.dy.size > 0,
        settings=settings(derandomize=True, database=None, max_examples=500, deadline=None),
    )
    assert case.size <= 2 * 2 * 3 * 2


def test_the_same_seed_draws_the_same_case():
    first, second = (
        component("linear").draw(GeneratorSource(np.random.default_rng(5)), np.float32)
        for _ in range(2)
    )
    for name, array in first.inputs.items():
        np.testing.assert_array_equal(array, second.inputs[name])


def test_a_scalar_is_a_dot():
    assert parse_spec("btd, ., d") == ["btd", "", "d"]


@pytest.mark.parametrize("spec", ["b t d", "btd,,d", "b1d", "", "btd; d"])
def test_an_unclear_spec_is_refused(spec):
    with pytest.raises(VerifyError, match="write one letter an axis"):
        arrays_like(spec)


def test_equal_options_of_other_types_are_not_exchanged():
    """Strategies are kept by their options, and True == 1."""

    @given(st.data())
    def drawn(data):
        source = HypothesisSource(data.draw)
        for options in ((0, 1), (False, True), (0.0, 1.0), ((0,), (1,)), ((False,), (True,))):
            for _ in range(2):
                chosen = source.choice(options)
                assert any(chosen is option for option in options)

    drawn()
