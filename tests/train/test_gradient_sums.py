"""A sum of shares does not depend on the pace at which workers bring them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from npformer.nn.module import Parameter
from npformer.train.gradient_sums import GradientSum, Rows


def shares(workers: int, uses: int) -> np.ndarray:
    """(uses, workers, 3), of sizes that make each order of a sum another number."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((uses, workers, 3)) * 10.0 ** rng.integers(-8, 9, (uses, workers, 3))


def summed(order: list[int], of: np.ndarray, before: int = 0) -> np.ndarray:
    """The total once the workers brought their shares in this order; ``before`` batches earlier."""
    total = GradientSum(Parameter(np.zeros(3)))
    for _ in range(before + 1):
        total.begin(of.shape[1])
        uses = [0] * of.shape[1]
        for worker in order:
            total.add(worker, of[uses[worker], worker].copy())
            uses[worker] += 1
        total.end()
    assert total.total is not None
    return total.total


@given(st.data(), st.integers(1, 4), st.integers(1, 3), st.integers(0, 1))
def test_rows_and_parts_are_added_as_the_whole_would_be(data, workers, uses, before):
    """At any pace, mixed with whole shares, and a total that begins with either."""
    of = shares(workers, uses)
    order = data.draw(st.permutations(list(range(workers)) * uses))
    kinds = data.draw(st.lists(st.booleans(), min_size=of[..., 0].size, max_size=of[..., 0].size))
    of[np.array(kinds).reshape(of.shape[:2]), 1] = 0  # what is not among the rows
    total = GradientSum(Parameter(np.zeros(3)))
    for _ in range(before + 1):
        total.begin(workers)
        taken = [0] * workers
        for worker in order:
            share = of[taken[worker], worker].copy()
            few = Rows(np.array([2, 0]), share[[2, 0]])
            total.add(worker, few if kinds[taken[worker] * workers + worker] else share)
            taken[worker] += 1
        total.end()
    np.testing.assert_array_equal(total.total, summed(list(range(workers)) * uses, of, before))


@given(st.data(), st.integers(1, 4), st.integers(1, 3), st.integers(0, 1))
def test_any_pace_gives_the_same_bits(data, workers, uses, before):
    in_turn = list(range(workers)) * uses
    order = data.draw(st.permutations(in_turn))
    of = shares(workers, uses)
    expected = summed(in_turn, of, before)
    np.testing.assert_array_equal(summed(order, of, before), expected)
    plain = 0.0
    for _ in range(before + 1):
        for share in of.reshape(-1, 3):
            plain = plain + share
    np.testing.assert_array_equal(expected, plain)


def test_what_a_worker_brings_more_often_is_added_in_the_end():
    total = GradientSum(Parameter(np.zeros(1)))
    total.begin(2)
    for worker, share in ((0, 1.0), (0, 2.0), (0, 4.0), (1, 8.0)):
        total.add(worker, np.array([share]))
    total.end()
    assert total.total == 15


def test_a_share_is_taken_as_it_is_and_a_view_is_not_changed():
    own, whole = np.ones(2), np.ones((2, 2))
    for share, taken in ((own, True), (whole[0], False), (np.asfortranarray(whole), False)):
        total = GradientSum(Parameter(np.zeros_like(share)))
        total.add(0, share)
        total.add(0, np.ones_like(share))
        assert np.shares_memory(total.total, share) is taken
        np.testing.assert_array_equal(total.total, np.full_like(share, 2))
    np.testing.assert_array_equal(whole, 1)
