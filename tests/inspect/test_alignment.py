import numpy as np
import pytest

from npformer.data.grammar.leaves import words
from npformer.inspect.alignment import alignment_share, token_alignment
from npformer.text.tokenizer import EOS, Tokenizer

SOURCE, TARGET = "Anna's dog sleeps at one.", "Annas Hündin schläft um eins."


def test_links_go_to_all_tokens_of_a_word_and_to_no_special_one():
    source = ["▁the", "▁ol", "d", "▁dog", ".", "<eos>"]
    target = ["<bos>", "▁der", "▁al", "te", "▁Hund", "."]
    found = token_alignment([(0, 0), (1, 1), (2, 2), (3, 3)], source, target)
    assert found == [(0, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 4), (4, 5)]


def test_a_token_that_spans_two_words_belongs_to_both():
    tokens = ["▁it", "'s", "▁two", "-", "fold", "▁", "x"]
    for word, expected in enumerate([[0], [1], [1], [2], [3], [4], [6]]):
        assert token_alignment([(word, word)], tokens, tokens) == [
            (i, j) for i in expected for j in expected
        ]


@pytest.mark.parametrize(("kind", "size"), [("word", 50), ("char", 50), ("bpe", 270)])
def test_every_tokenizer_spells_the_linked_words(kind, size):
    tokenizer = Tokenizer.train([SOURCE, TARGET], kind, size)
    named = [tokenizer.tokens([*tokenizer.encode(text), EOS]) for text in (SOURCE, TARGET)]
    for i, source in enumerate(words(SOURCE)):
        for j, target in enumerate(words(TARGET)):
            links = token_alignment([(i, j)], *named)
            ids = [sorted(set(side)) for side in zip(*links, strict=True)]
            spelled = ["".join(named[side][p] for p in ids[side]).strip("▁") for side in (0, 1)]
            # Bytes of a character that is no token are shown one by one; BPE keeps "'s" whole.
            shown = spelled[1].replace("‹C3›‹A4›", "ä").replace("‹C3›‹BC›", "ü")
            assert shown == target
            assert spelled[0] == ("'s" if kind == "bpe" and i in (1, 2) else source)


def test_share_is_the_mean_attention_on_the_linked_keys():
    probs = np.array([[[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.0, 0.0, 1.0]], np.eye(3)])
    np.testing.assert_allclose(alignment_share(probs, [(0, 0), (1, 0), (2, 1)]), [0.8, 0.5])
    np.testing.assert_allclose(alignment_share(probs, [(2, 2)]), [1.0, 1.0])
    assert np.isnan(alignment_share(probs, [])).all()
