from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from npformer.errors import CorpusError
from npformer.train import feed as feed_module
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
        np.testing.assert_equal(vars(batch), vars(seen[start]))


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


@pytest.mark.parametrize("ahead", [1, 3])
def test_batches_built_ahead_are_those_built_in_turn(ahead):
    plain = Feed(make_batches(), epoch=0, index=2)
    with closing(Feed(make_batches(), epoch=0, index=2, ahead=ahead)) as feed:
        for _ in range(2 * len(make_batches().epoch(0))):
            np.testing.assert_equal(vars(feed.next()), vars(plain.next()))
            assert (feed.epoch, feed.index) == (plain.epoch, plain.index)


def test_the_ranks_share_every_batch_out():
    whole = Feed(make_batches())
    feeds = [Feed(make_batches(), share=(rank, 3)) for rank in range(3)]
    for _ in range(2 * len(make_batches().epoch(0))):
        batch, parts = whole.next(), [feed.next() for feed in feeds]
        assert sum(part.tokens for part in parts) == batch.tokens
        rows = sorted(tuple(row[row != 0]) for row in batch.targets)
        shared = sorted(tuple(r[r != 0]) for part in parts for r in part.targets if r.any())
        assert shared == rows
        assert all(len(part.inputs["source"]) for part in parts)


def test_a_rank_without_rows_takes_part_without_a_valid_token():
    class Single:
        def epoch(self, number):
            return [np.array([0])]

        def batch(self, rows):
            return make_batches().batch(rows)

    batch = Feed(Single(), share=(1, 2)).next()
    assert len(batch.targets) == 1 and batch.tokens == 0
    assert (batch.inputs["source"] != 0).any()  # a row that the model can run over


def test_an_error_while_building_ahead_reaches_the_loop():
    class Broken:
        def epoch(self, number):
            return [np.array([0])]

        def batch(self, rows):
            raise CorpusError("damaged")

    with closing(Feed(Broken(), ahead=2)) as feed, pytest.raises(CorpusError, match="damaged"):
        feed.next()


def test_waiting_is_counted(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(feed_module.time, "perf_counter", lambda: now[0])

    class Slow:
        def epoch(self, number):
            return [np.array([0])]

        def batch(self, rows):
            now[0] += 2.0
            return make_batches().batch(rows)

    feed = Feed(Slow())
    feed.next()
    feed.next()
    assert feed.waited == 4.0
