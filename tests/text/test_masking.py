"""Hidden tokens: how many, which, read as what; the same whenever and however they are asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.errors import ConfigError, CorpusError, TokenizerError
from npformer.text.corpus import ParallelCorpus
from npformer.text.masking import MaskedBatches, Masking, encode_whole, masked_evaluation
from npformer.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer
from npformer.train.feed import Feed
from npformer.verify import seeds
from tests.examples import examples

NOTHING = -100
TEXTS = [" ".join(f"w{(7 * i + j) % 30}" for j in range(1 + i % 9)) for i in range(60)]


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(TEXTS, "word", 100)


def masking(tokenizer, probability=0.15):
    return Masking.of(tokenizer, probability, padding=PAD, no_target=NOTHING)


def batches(tokenizer, *, seed=0, max_length=8, probability=0.15):
    hiding = masking(tokenizer, probability)
    corpus = ParallelCorpus([""] * len(TEXTS), TEXTS, [""] * len(TEXTS))
    return MaskedBatches(
        encode_whole(corpus, tokenizer, max_length, hiding.around), 40, seed, hiding
    )


def read(source, epochs=1):
    """Every text of some epochs as (read, targets), by itself; without padding."""
    for epoch in range(epochs):
        for rows in source.epoch(epoch):
            batch = source.batch(rows)
            for target, asked, (text, _) in zip(
                batch.inputs["target"], batch.targets, rows, strict=True
            ):
                shown = target != PAD
                assert not (asked[~shown] != NOTHING).any()
                yield epoch, int(text), target[shown], asked[shown]


@examples(1)
@given(seeds(), st.integers(1, 40), st.floats(0.01, 0.99))
def test_the_share_is_chosen_and_the_rest_is_read_as_it_is(tokenizer, seed, n, probability):
    rng = np.random.default_rng(seed)
    ids = rng.integers(4, tokenizer.vocab_size, n)
    seen, targets = masking(tokenizer, probability).hidden(ids, rng)
    chosen = targets != NOTHING
    assert chosen.sum() == min(n, max(1, round(probability * n)))
    assert np.array_equal(targets[chosen], ids[chosen])
    assert np.array_equal(seen[~chosen], ids[~chosen])
    assert ((seen == UNK) | (seen >= 4)).all()


def test_eight_in_ten_are_masked_one_is_any_word_and_one_is_itself(tokenizer):
    rng = np.random.default_rng(0)
    ids = rng.integers(4, tokenizer.vocab_size, 40_000)
    seen, targets = masking(tokenizer, 0.5).hidden(ids, rng)
    chosen = targets != NOTHING
    masked, same = np.mean(seen[chosen] == UNK), np.mean(seen[chosen] == ids[chosen])
    words = tokenizer.vocab_size - 4
    # Of 20,000 the share's standard deviation is 0.003 and 0.002; a word may be drawn as itself.
    assert masked == pytest.approx(0.8, abs=0.012)
    assert same == pytest.approx(0.1 + 0.1 / words, abs=0.01)
    drawn = seen[chosen][(seen[chosen] != UNK) & (seen[chosen] != ids[chosen])]
    assert np.unique(drawn).size == words


def test_a_text_has_what_stands_around_it_and_is_cut_where_it_is_long(tokenizer):
    whole = {}
    for _, text, seen, asked in read(batches(tokenizer)):
        assert (seen[0], seen[-1]) == (BOS, EOS)
        assert (asked[0], asked[-1]) == (NOTHING, NOTHING)
        assert len(seen) <= 8
        whole[text] = len(seen) - 2
    assert len(whole) > len(TEXTS)
    assert sum(whole.values()) == sum(len(tokenizer.encode(text)) for text in TEXTS)


def test_other_tokens_are_hidden_in_each_epoch_and_under_each_seed(tokenizer):
    first = {text: asked for _, text, _, asked in read(batches(tokenizer))}
    for other in (batches(tokenizer, seed=1), None):
        source = other or batches(tokenizer)
        epoch = 0 if other else 1
        again = {t: asked for e, t, _, asked in read(source, 2) if e == epoch}
        long = [t for t in first if len(first[t]) > 5]
        same = np.mean([np.array_equal(first[t], again[t]) for t in long])
        assert 0 < same < 0.5


def test_ranks_and_a_resumed_feed_see_the_same_hidden_tokens(tokenizer):
    source = batches(tokenizer)
    alone = Feed(source)
    begun = [alone.next() for _ in range(30)]
    again = Feed(batches(tokenizer), 0, 5)
    assert np.array_equal(again.next().inputs["target"], begun[5].inputs["target"])
    shares = [Feed(batches(tokenizer), share=(rank, 2), ahead=1) for rank in range(2)]
    for batch in begun:
        parts = [feed.next() for feed in shares]
        assert sum(part.tokens for part in parts) == batch.tokens
        for rank, part in enumerate(parts):
            if part.tokens:
                width = part.targets.shape[1]
                assert np.array_equal(part.targets, batch.targets[rank::2, :width])
    for feed in shares:
        feed.close()


def test_an_evaluation_hides_the_same_each_time(tokenizer):
    source = batches(tokenizer)
    one, other = (masked_evaluation(source.pairs, 40, masking(tokenizer)) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a.inputs["target"], b.inputs["target"])
        assert np.array_equal(a.targets, b.targets)
    assert sum(len(batch) for batch in one) == len(source.pairs)


@pytest.mark.parametrize("kind", ["bpe", "word", "char"])
def test_a_text_with_masks_is_the_text_with_ids_hidden(kind):
    text = "the cat sat on the mat, and the dog."
    tokenizer = Tokenizer.train([text] * 3, kind, 300)
    ids = tokenizer.encode(text)
    names = tokenizer.tokens(ids)
    for n, name in enumerate(names):
        if len(name.strip("▁")) < (2 if kind == "bpe" else 1):
            continue
        written = [each.replace("▁", " ") for each in names]
        written[n] = " [MASK]" if name.startswith("▁") and kind != "char" else "[MASK]"
        masked = "".join(written)
        masked = masked if kind == "char" else masked.removeprefix(" ")
        assert tokenizer.encode_masked(masked) == [*ids[:n], UNK, *ids[n + 1 :]], masked


def test_what_cannot_be_hidden_is_refused(tokenizer):
    with pytest.raises(ConfigError, match="stand around a text"):
        batches(tokenizer, max_length=2)
    empty = ParallelCorpus([""], [""], [""])
    with pytest.raises(CorpusError, match="no token"):
        encode_whole(empty, tokenizer, 8, 2)

    class Without(Tokenizer):
        mask = None

    none = Without(tokenizer._core, "word")
    with pytest.raises(ConfigError, match=r"no \[MASK\]"):
        masking(none)
    with pytest.raises(TokenizerError, match=r"no \[MASK\]"):
        none.encode_masked("w1 [MASK]")
