"""Batches hold every pair once, keep to the budget, and come in an order that can be resumed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.errors import ConfigError, CorpusError
from npformer.text.batches import Batches, evaluation_batches, make_batch
from npformer.text.corpus import ParallelCorpus
from npformer.text.pairs import EncodedPairs, encode_pairs
from npformer.text.tokenizer import BOS, EOS, PAD, Tokenizer

lengths = st.integers(0, 20)
pair_lengths = st.lists(st.tuples(lengths, lengths), min_size=1, max_size=80)
seeds = st.integers(0, 2**32)


def pairs_of(sizes: list[tuple[int, int]]) -> EncodedPairs:
    """Pairs of the given lengths whose ids tell the pair and the side."""
    sides = [[np.full(n, 10 + 2 * row + side, np.int32) for row, n in enumerate(column)]
             for side, column in enumerate(zip(*sizes, strict=True))]  # fmt: skip
    return EncodedPairs(*sides)


@given(pair_lengths, st.integers(21, 100), seeds, st.integers(0, 5))
def test_an_epoch_has_every_pair_once_within_the_budget(sizes, budget, seed, number):
    batches = Batches(pairs_of(sizes), budget, seed)
    epoch = batches.epoch(number)
    assert sorted(np.concatenate(epoch)) == list(range(len(sizes)))
    for rows in epoch:
        batch = batches.batch(rows)
        assert len(rows) > 0
        assert max(batch.inputs["source"].size, batch.inputs["target"].size) <= budget


@given(pair_lengths, seeds, st.integers(0, 5))
def test_the_order_is_a_function_of_seed_and_epoch(sizes, seed, number):
    one, other = (Batches(pairs_of(sizes), 40, seed) for _ in range(2))
    other.epoch(number + 1)  # what was asked before does not matter
    first, second = one.epoch(number), other.epoch(number)
    assert [list(rows) for rows in first] == [list(rows) for rows in second]
    for rows, same in zip(first, second, strict=True):
        np.testing.assert_equal(vars(other.batch(same)), vars(one.batch(rows)))


def test_epochs_and_seeds_differ():
    pairs = pairs_of([(n % 7 + 1, n % 5 + 1) for n in range(200)])
    orders = [
        np.concatenate(Batches(pairs, 64, seed).epoch(number)).tolist()
        for seed, number in [(0, 0), (0, 1), (1, 0), (1, 1)]
    ]
    assert len({tuple(order) for order in orders}) == 4


def test_pairs_of_like_length_share_a_batch():
    rng = np.random.default_rng(0)
    sizes = [(int(n), int(n)) for n in rng.integers(1, 60, 4000)]
    batches = Batches(pairs_of(sizes), 512, 0)
    padded = sum(batches.batch(rows).inputs["target"].size for rows in batches.epoch(0))
    assert padded < 1.05 * sum(t + 1 for _, t in sizes)


def test_a_batch_by_hand():
    pairs = EncodedPairs(
        [np.array([5, 6, 7], np.int32), np.array([8], np.int32)],
        [np.array([9], np.int32), np.array([10, 11], np.int32)],
    )
    batch = make_batch(pairs, np.array([1, 0]))
    assert batch.inputs["source"].tolist() == [[8, EOS, PAD, PAD], [5, 6, 7, EOS]]
    assert batch.inputs["target"].tolist() == [[BOS, 10, 11], [BOS, 9, PAD]]
    assert batch.targets.tolist() == [[10, 11, EOS], [9, EOS, PAD]]
    assert batch.tokens == 5
    arrays = (*batch.inputs.values(), batch.targets)
    assert {array.dtype for array in arrays} == {np.dtype(np.int64)}


@given(pair_lengths)
def test_a_batch_holds_its_pairs_and_nothing_else(sizes):
    pairs = pairs_of(sizes)
    batch = make_batch(pairs, np.arange(len(sizes)))
    assert batch.tokens == sum(t + 1 for _, t in sizes)
    for row, (s, t) in enumerate(sizes):
        ids, end = 10 + 2 * row, [EOS]
        assert batch.inputs["source"][row].tolist() == [ids] * s + end + [PAD] * (
            batch.inputs["source"].shape[1] - s - 1
        )
        rest = [PAD] * (batch.inputs["target"].shape[1] - t - 1)
        assert batch.inputs["target"][row].tolist() == [BOS] + [ids + 1] * t + rest
        assert batch.targets[row].tolist() == [ids + 1] * t + end + rest


def test_a_pair_over_the_budget_is_an_error_and_not_lost():
    pairs = pairs_of([(3, 3), (30, 4)])
    with pytest.raises(ConfigError, match="longest sentence has 31 tokens; raise batch_tokens"):
        Batches(pairs, 30, 0)
    assert len(Batches(pairs, 31, 0).epoch(0)) == 2


def test_a_batch_takes_as_many_pairs_as_fit():
    batches = Batches(pairs_of([(3, 3)] * 5), 8, 0)  # 4 tokens a side, EOS or BOS included
    assert sorted(map(len, batches.epoch(3))) == [1, 2, 2]


def test_no_pairs():
    with pytest.raises(CorpusError, match="no pair"):
        Batches(EncodedPairs([], []), 100, 0)
    assert evaluation_batches(EncodedPairs([], []), 100) == []


@given(pair_lengths, st.integers(5, 60))
def test_evaluation_sees_every_pair_from_short_to_long(sizes, budget):
    batches = evaluation_batches(pairs_of(sizes), budget)
    assert sum(batch.tokens for batch in batches) == sum(t + 1 for _, t in sizes)
    assert sum(len(batch.inputs["source"]) for batch in batches) == len(sizes)
    widths = [max(ids.shape[1] for ids in batch.inputs.values()) for batch in batches]
    assert widths == sorted(widths)
    for batch, width in zip(batches, widths, strict=True):
        assert len(batch.inputs["source"]) == 1 or len(batch.inputs["source"]) * width <= budget


CORPUS = ParallelCorpus(
    source=["a b c", "a", "a a a a a a", "b"],
    target=["c", "b b b b b b b", "c c", "a b"],
    tags=[""] * 4,
)


def test_long_pairs_are_left_out_and_counted():
    tokenizer = Tokenizer.train(CORPUS.source + CORPUS.target, "word", 20)
    pairs = encode_pairs(CORPUS, tokenizer, 4)
    assert (len(pairs), pairs.left_out, pairs.rows.tolist()) == (2, 2, [0, 3])
    assert [tokenizer.decode(ids) for ids in pairs.source] == ["a b c", "b"]
    assert [tokenizer.decode(ids) for ids in pairs.target] == ["c", "a b"]
    assert pairs.lengths().tolist() == [[4, 2], [2, 3]]
    assert encode_pairs(CORPUS, tokenizer, 7).rows.tolist() == [0, 2, 3]
    assert encode_pairs(CORPUS, tokenizer, 8).left_out == 0


def test_only_long_pairs():
    tokenizer = Tokenizer.train(CORPUS.source + CORPUS.target, "word", 20)
    with pytest.raises(CorpusError, match="none of the 4 pairs fits into max_length, 2 tokens"):
        encode_pairs(CORPUS, tokenizer, 2)
