from __future__ import annotations

import pytest

from npformer.config import OptimConfig
from npformer.optim import constant, cosine, learning_rate, noam


def test_noam_is_the_papers_formula():
    for update in (1, 10, 3999, 4000, 4001, 100_000):
        want = 512**-0.5 * min(update**-0.5, update * 4000**-1.5)
        assert noam(update, 512, 4000) == want
    # The base model's peak, at the end of the warm-up.
    assert noam(4000, 512, 4000) == pytest.approx(6.9877e-4, rel=1e-4)
    assert noam(7, 512, 4000, factor=3.0) == 3 * noam(7, 512, 4000)


def test_noam_without_warm_up_only_falls():
    assert noam(1, 4, 0) == 0.5
    assert noam(4, 4, 0) == 0.25


def test_cosine_rises_in_a_line_and_falls_to_almost_zero():
    rates = [cosine(update, 100, 10, 2.0) for update in range(1, 102)]
    assert rates[:10] == pytest.approx([0.2 * n for n in range(1, 11)])
    assert all(a > b for a, b in zip(rates[9:], rates[10:], strict=False))
    assert rates[99] > 0  # the last update still moves
    assert rates[100] == 0
    # Half way down: update 10 + 91 / 2.
    assert (rates[54] + rates[55]) / 2 == pytest.approx(1.0)


def test_cosine_without_warm_up_starts_at_the_peak():
    assert cosine(1, 10, 0, 0.5) == 0.5


def test_cosine_survives_a_warm_up_as_long_as_the_run():
    assert cosine(10, 10, 10, 1.0) == 1.0
    assert cosine(5, 10, 20, 1.0) == 0.25


def test_constant_rises_then_stays():
    assert [constant(u, 4, 8.0) for u in (1, 2, 4, 5, 500)] == [2.0, 4.0, 8.0, 8.0, 8.0]
    assert constant(1, 0, 8.0) == 8.0


@pytest.mark.parametrize(
    ("schedule", "want"),
    [
        ("noam", noam(7, 64, 3, 0.5)),
        ("cosine", cosine(7, 20, 3, 0.5)),
        ("constant", 0.5),
    ],
)
def test_the_configuration_picks_the_schedule(schedule, want):
    config = OptimConfig(schedule=schedule, learning_rate=0.5, warmup=3)
    assert learning_rate(config, 64, 7, 20) == want
