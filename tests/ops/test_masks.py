from __future__ import annotations

import numpy as np

from npformer.ops import causal_mask, padding_mask


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
