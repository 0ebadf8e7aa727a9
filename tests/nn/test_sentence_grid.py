import itertools

import numpy as np
import pytest

from npformer.nn.sentence_grid import SentenceGrid


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_each_row_stands_once_beside_those_of_its_sentence(rows):
    for sentences in itertools.product(range(3), repeat=rows):
        held, sentence = np.unique(sentences, return_inverse=True)
        grid = SentenceGrid(sentence)
        assert grid.shape == (len(held), np.bincount(sentence).max())
        x = np.random.default_rng(0).normal(size=(rows, 1, 2))
        spread = grid.spread(x)
        assert spread.shape == (*grid.shape, 2)
        for row, one in enumerate(sentence):
            assert (spread[one] == x[row, 0]).all(axis=1).sum() == 1
        assert np.count_nonzero(spread.any(axis=2)) == rows  # empty places are zero
        np.testing.assert_array_equal(grid.collect(spread), x)
