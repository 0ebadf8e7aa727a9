"""A mean error that stands out from its spread is told from rounding."""

from __future__ import annotations

import numpy as np

from npformer.verify.units.systematic import FEWEST, accepts, part

UNIT = np.full(2, 0.5)


def test_a_mean_that_stands_out_is_counted_in_units():
    errors = np.array([[1.0, 1.0], [1.2, -1.0]] * 8)
    assert np.allclose(part(errors, UNIT), [2.2, 0.0])
    assert not part(errors[: FEWEST - 1], UNIT).any()


def test_the_reference_s_own_part_is_no_fault_of_the_function_s():
    assert accepts(1.0, 0.0)
    assert not accepts(1.1, 0.5)
    assert accepts(1.1, 0.6)
