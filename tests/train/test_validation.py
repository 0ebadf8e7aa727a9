from __future__ import annotations

import math

import numpy as np
import pytest

from npformer.models.transformer import TransformerConfig
from npformer.text.batches import Batch
from npformer.text.tokenizer import EOS, Tokenizer
from npformer.train.validation import Validation
from tests.train.fakes import on_ranks

SENTENCES = [f"the number {n} is here" for n in range(40)]
TOKENIZER = Tokenizer.train(SENTENCES, "word", 200)


class Echo:
    """A model that repeats its source, and an engine whose token losses are given."""

    config = TransformerConfig(max_length=64)

    def __init__(self, losses=()):
        self.model, self.losses, self.sources = self, list(losses), []

    def start(self, source):
        self.sources += [row[row != 0].tolist() for row in source]
        return State(source)

    def step(self, ids, state):
        state.position += 1
        logits = np.zeros((len(ids), TOKENIZER.vocab_size))
        last = state.source.shape[1] - 1
        logits[np.arange(len(ids)), state.source[:, min(state.position, last)]] = 1
        return logits

    def evaluate(self, batch):
        return self.losses.pop(0), batch.tokens


class State:
    def __init__(self, source):
        self.source, self.position = source, -1

    def select(self, rows):
        self.source = self.source[rows]


def batch(tokens):
    ids = np.full((1, tokens), 5)
    return Batch.of_pairs(ids, ids, ids)


def test_the_loss_weighs_every_token_alike():
    validation = Validation([batch(1), batch(3)])
    results = validation.measure(Echo([2.0, 3.0]))
    assert results == {"validation_loss": 1.25, "perplexity": math.exp(1.25)}


@pytest.mark.parametrize("loss", [1e4, math.inf])
def test_a_hopeless_loss_has_an_infinite_perplexity(loss):
    assert Validation([batch(1)]).measure(Echo([loss]))["perplexity"] == math.inf


def test_translations_are_scored_against_their_own_references():
    targets = [text if n % 2 else "quite another thing" for n, text in enumerate(SENTENCES)]
    exact = Validation([batch(1)], SENTENCES, SENTENCES, TOKENIZER, count=100)
    half = Validation([batch(1)], SENTENCES, targets, TOKENIZER, count=100)
    results = exact.measure(Echo([1.0]))
    assert results["bleu"] == pytest.approx(100)
    assert results["chrf"] == pytest.approx(100)
    assert 20 < half.measure(Echo([1.0]))["chrf"] < 80


def test_the_pairs_to_translate_are_spread_over_the_corpus():
    engine = Echo([1.0])
    Validation([batch(1)], SENTENCES, SENTENCES, TOKENIZER, count=4).measure(engine)
    want = [[*TOKENIZER.encode(SENTENCES[n]), EOS] for n in (0, 10, 20, 30)]
    assert sorted(engine.sources) == sorted(want)


def test_no_count_means_no_translation():
    engine = Echo([1.0])
    validation = Validation([batch(1)], SENTENCES, SENTENCES, TOKENIZER, count=0)
    assert set(validation.measure(engine)) == {"validation_loss", "perplexity"}
    assert engine.sources == []


def test_sources_too_long_for_the_model_are_passed_over():
    sources = [SENTENCES[0], " ".join(SENTENCES)]
    engine = Echo([1.0])
    Validation([batch(1)], sources, sources, TOKENIZER, count=2, max_length=9).measure(engine)
    assert [len(ids) for ids in engine.sources] == [6]


@pytest.mark.parametrize("answers", [1, 2, 3])
def test_it_stops_when_told(answers):
    left = [answers]

    def stopped():
        left[0] -= 1
        return left[0] == 0

    validation = Validation([batch(1)] * 2, SENTENCES, SENTENCES, TOKENIZER, count=4)
    assert validation.measure(Echo([1.0, 1.0]), stopped) is None


@pytest.mark.parametrize("size", [2, 3, 50])
@pytest.mark.parametrize("beam", [1, 2])
def test_ranks_share_the_pairs_out_and_all_get_the_whole_result(size, beam):
    def validation():
        targets = [*SENTENCES[:20], *["another text"] * 20]
        return Validation(
            [batch(n) for n in (1, 3, 2, 5)], SENTENCES, targets, TOKENIZER, count=40, beam=beam
        )

    alone = validation().measure(Echo([1.0, 2.0, 4.0, 8.0]))
    assert 0 < alone["bleu"] < 100

    def work(ranks):
        losses = [1.0, 2.0, 4.0, 8.0][ranks.rank :: size]
        return validation().measure(Echo(losses), ranks=ranks)

    assert on_ranks(size, work) == [alone] * size
