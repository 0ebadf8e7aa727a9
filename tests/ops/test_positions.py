from __future__ import annotations

import math

import numpy as np
import pytest

from npformer.ops import sinusoidal_positions


@pytest.mark.parametrize("d", [1, 2, 5, 8])
def test_it_is_the_papers_formula(d):
    table = sinusoidal_positions(30, d, dtype=np.float64)
    for t in range(30):
        for column in range(d):
            angle = t / 10000 ** (2 * (column // 2) / d)
            expected = math.sin(angle) if column % 2 == 0 else math.cos(angle)
            assert table[t, column] == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("d", [1, 2, 5, 8])
def test_tensor2tensors_slowest_hand_turns_once_in_ten_thousand_turns(d):
    table = sinusoidal_positions(30, d, layout="tensor2tensor", first=2, dtype=np.float64)
    half = d // 2
    for t in range(30):
        for i in range(half):
            angle = (t + 2) / 10000 ** (i / max(half - 1, 1))
            assert table[t, i] == pytest.approx(math.sin(angle), abs=1e-13)
            assert table[t, half + i] == pytest.approx(math.cos(angle), abs=1e-13)
    assert not table[:, 2 * half :].any()


@pytest.mark.parametrize("layout", ["interleaved", "half", "tensor2tensor"])
def test_a_later_first_position_is_a_later_row(layout):
    table = sinusoidal_positions(9, 6, layout=layout, dtype=np.float64)
    later = sinusoidal_positions(6, 6, layout=layout, first=3, dtype=np.float64)
    np.testing.assert_array_equal(later, table[3:])


def test_a_fixed_step_is_a_fixed_rotation():
    """positions[t + 3] is a linear map of positions[t], the same for every t."""
    table = sinusoidal_positions(64, 8, dtype=np.float64)
    rotation, *_ = np.linalg.lstsq(table[:20], table[3:23], rcond=None)
    np.testing.assert_allclose(table[:61] @ rotation, table[3:], atol=1e-11)


def test_dtype_and_shape():
    assert sinusoidal_positions(5, 6).dtype == np.float32
    assert sinusoidal_positions(0, 6).shape == (0, 6)
    wide = sinusoidal_positions(5000, 64, dtype=np.float64)
    np.testing.assert_array_equal(sinusoidal_positions(5000, 64), wide.astype(np.float32))
