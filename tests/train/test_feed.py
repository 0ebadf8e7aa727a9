from __future__ import annotations

import numpy as np
import pytest

from npformer.errors import CorpusError
from npformer.train.feed import Feed
from tests.train.fakes import make_batches


def test_a_feed_may_start_anywhere_and_goes_on_the_same():
    batches = make_batches()
    whole = Feed(batches)
    seen, places = [], [(0, 0)]
    for _ in range(2 * len(batches.epoch(0)) + 3):
        seen.append(whole.next())
        places.append((whole.epoch, whole.index))
    assert places[-1][0] >= 2
    for start, place in enumerate(places[:-1]):
        batch = Feed(make_batches(), *place).next()
        for mine, other in zip(batch, seen[start], strict=True):
            np.testing.assert_array_equal(mine, other)


def test_an_epoch_uses_every_batch_once():
    batches = make_batches()
    feed = Feed(batches, epoch=1)
    total = sum(feed.next().tokens for _ in batches.epoch(1))
    assert total == sum(target.size + 1 for target in batches.pairs.target)


def test_no_batches_is_an_error_not_an_endless_loop():
    class Empty:
        def epoch(self, number):
            return []

    with pytest.raises(CorpusError, match="no sentence pairs"):
        Feed(Empty()).next()
