from __future__ import annotations

import numpy as np
import pytest

from npformer.errors import ConfigError, ShapeError
from npformer.ops import causal_mask, padding_mask
from npformer.ops.masks import packed_mask, window_mask


def test_padding_hides_keys_from_every_query_of_every_head():
    mask = padding_mask(np.array([[5, 3, 0], [0, 4, 4]]), 0)
    assert mask.dtype == bool
    assert mask.shape == (2, 1, 1, 3)
    np.testing.assert_array_equal(mask[:, 0, 0], [[True, True, False], [False, True, True]])


def test_causal_lets_a_query_see_itself_and_what_came_before():
    np.testing.assert_array_equal(causal_mask(3), [[1, 0, 0], [1, 1, 0], [1, 1, 1]])
    np.testing.assert_array_equal(causal_mask(2, 4), [[1, 1, 1, 0], [1, 1, 1, 1]])
    np.testing.assert_array_equal(causal_mask(3, 1), [[0], [0], [1]])
    assert causal_mask(3).dtype == bool
    assert causal_mask(0, 4).shape == (0, 4)
    assert causal_mask(4, 0).shape == (4, 0)


def test_a_window_holds_so_many_keys_the_last_at_the_querys_own_position():
    np.testing.assert_array_equal(window_mask(3, 3, 2), [[1, 0, 0], [1, 1, 0], [0, 1, 1]])
    np.testing.assert_array_equal(window_mask(2, 4, 2), [[0, 1, 1, 0], [0, 0, 1, 1]])
    np.testing.assert_array_equal(window_mask(3, 1, 2), [[0], [0], [1]])
    np.testing.assert_array_equal(window_mask(3, 3, 9), causal_mask(3))


def test_a_window_of_both_sides_has_as_many_keys_ahead():
    np.testing.assert_array_equal(
        window_mask(3, 4, 2, causal=False), [[1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]]
    )
    np.testing.assert_array_equal(window_mask(3, 3, 1, causal=False), np.eye(3))


def test_documents_in_one_row_see_themselves_alone_and_padding_nothing():
    mask = packed_mask(np.array([0, 2, 2, 3]), 4)
    np.testing.assert_array_equal(mask, [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    assert packed_mask(np.array([0, 2, 5])).shape == (5, 5)
    assert packed_mask(np.array([0])).shape == (0, 0)


@pytest.mark.parametrize("offsets", [[1, 3], [0, 3, 2], [0, 9], [[0, 4]], [0.0, 4.0]], ids=str)
def test_offsets_that_are_none_are_refused(offsets):
    with pytest.raises(ShapeError, match="offsets are .*begin with 0, do not fall, and end at 4"):
        packed_mask(np.array(offsets), 4)


def test_a_window_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="window is 0"):
        window_mask(2, 2, 0)
