import numpy as np
import pytest

from npformer.decode.translator import Translator
from npformer.errors import ConfigError, NpformerError
from npformer.text.tokenizer import Tokenizer
from tests.decode.fakes import BOS, EOS, FakeModel

TEXT = "The dog sees the cat. The old cat sleeps! Does the dog sleep? No."


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train([TEXT], "word", 100)


def copying_model(vocab_size, max_length=12):
    """Copies the source, EOS included, so that a translation shows where it came from."""

    def logits(source, prefix):
        return np.where(np.arange(vocab_size) == source[len(prefix) - 1], 30.0, 0.0)

    model = FakeModel(logits, max_length)
    model.sources = []
    start = model.start
    model.start = lambda source: (model.sources.append(source), start(source))[1]
    return model


@pytest.fixture
def translator(tokenizer):
    return Translator(copying_model(tokenizer.vocab_size), tokenizer)


SENTENCES = ["The dog sees the cat.", "No.", "", "The old cat sleeps!", "  ", "Does the dog sleep?"]


@pytest.mark.parametrize("batch_tokens", [1, 40, 10_000])
@pytest.mark.parametrize("beam", [1, 4])
def test_translations_come_back_in_order(translator, batch_tokens, beam):
    found = translator.translate_sentences(SENTENCES, beam=beam, batch_tokens=batch_tokens)
    assert found == [text.strip() for text in SENTENCES]


def test_batches_are_sorted_by_length_and_keep_to_the_budget(translator, tokenizer):
    translator.translate_sentences(SENTENCES, beam=2, batch_tokens=28)
    sources = translator.model.sources
    assert all(len(source) * source.shape[1] <= 14 for source in sources)
    assert [len(source) for source in sources] == [2, 2]
    lengths = [(source != 0).sum(axis=1).tolist() for source in sources]
    assert lengths == [[7, 6], [6, 3]]
    assert (sources[1] == EOS).sum() == 2
    assert not (sources[1] == BOS).any()


def test_a_text_keeps_its_paragraphs(translator):
    text = "The dog sees the cat. No.\n\nThe old cat sleeps!\nNo.\n"
    assert translator.translate(text).rstrip("\n") == text.rstrip("\n")
    # Every sentence was translated by itself.
    assert max(source.shape[1] for source in translator.model.sources) == 7


def test_another_search_takes_the_place_of_the_beam(translator):
    def reverse(source):
        return [[token for token in row[::-1] if token > EOS] for row in source.tolist()]

    assert translator.translate_sentences(["The old cat", "No"], search=reverse) == [
        "cat old The",
        "No",
    ]
    assert translator.translate("The cat No", search=reverse) == "No cat The"
    assert translator.model.sources == []


def test_nothing_gives_nothing(translator):
    assert translator.translate_sentences([]) == []
    assert translator.translate("") == ""
    assert translator.translate(" \n ").strip() == ""
    assert translator.translate_sentences(["", " "]) == ["", ""]
    assert translator.model.sources == []


def test_too_long_a_sentence_is_named(translator):
    longest = "the dog sees the cat the dog sees the cat dog"
    assert translator.translate_sentences([longest]) == [longest]
    with pytest.raises(NpformerError) as caught:
        translator.translate_sentences(["No.", longest + " cat"])
    for part in ("sentence 2", "'the dog sees", "13 tokens", "12 at most"):
        assert part in str(caught.value)


def test_bad_settings(translator):
    with pytest.raises(ConfigError, match="batch_tokens is 0"):
        translator.translate_sentences(["No."], batch_tokens=0)
    with pytest.raises(ConfigError, match="beam is 0"):
        translator.translate_sentences(["No."], beam=0)
    with pytest.raises(ConfigError, match="engine 'nltk'"):
        translator.translate("No.", splitter="nltk")
