"""A plain text as a corpus: what is a document, and where it is cut."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.config import DataConfig
from npformer.errors import CorpusError
from npformer.text.batches import evaluation_batches
from npformer.text.corpus import ParallelCorpus, is_plain_text, load_corpus, read_pairs
from npformer.text.pairs import encode_texts
from npformer.text.tokenizer import BOS, EOS, Tokenizer

TEXTS = ["abcdefg", "ab", "abcd", "abcde"]
TOKENIZER = Tokenizer.train(TEXTS, "char", 30)


def documents(tmp_path, content, name="a.txt"):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return read_pairs(str(path), text=True)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("anna\nbo\n", ["anna", "bo"]),
        ("anna\r\nbo", ["anna", "bo"]),
        ("One line\nand one.\n\n\n  Two.\n\n", ["One line\nand one.", "Two."]),
        ("\n\nFirst.\n \nSecond.\n", ["First.", "Second."]),
        ("alone", ["alone"]),
    ],
)
def test_documents_are_paragraphs_or_else_lines(tmp_path, content, expected):
    found = documents(tmp_path, content)
    assert found.source == found.target == expected
    assert "plain text" in found.notes[0]


def test_a_table_stays_a_table(tmp_path):
    assert documents(tmp_path, "a dog\tein Hund\n").target == ["ein Hund"]
    assert not is_plain_text(str(tmp_path / "a.txt"))
    assert not is_plain_text("grammar")
    with pytest.raises(CorpusError, match="line 1 has 1 column"):
        documents(tmp_path, "anna\nbo\n", "a.tsv")


def test_validation_is_held_out(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("".join(f"name {n}\n" for n in range(40)))
    train, held_out = load_corpus(DataConfig(corpus=str(path)), text=True)
    assert (len(train), len(held_out)) == (38, 2)
    assert not set(train.target) & set(held_out.target)
    with pytest.raises(CorpusError, match="plain text is for a model without a source"):
        load_corpus(DataConfig(corpus=str(path)))


@pytest.mark.parametrize("length", [2, 3, 4, 5, 8, 100])
def test_every_token_is_asked_for_once(length):
    """Pieces put together are the text and its end, whatever the length that they are cut at."""
    pieces = encode_texts(ParallelCorpus(TEXTS, TEXTS, [""] * 4), TOKENIZER, length)
    asked = {row: [] for row in range(4)}
    for piece, (row, end) in enumerate(zip(pieces.rows, pieces.following, strict=True)):
        ids = pieces.target[piece].tolist()
        assert len(ids) < length
        asked[int(row)] += [*ids, int(end)]
    assert [asked[row] for row in range(4)] == [[*TOKENIZER.encode(t), EOS] for t in TEXTS]


def test_a_cut_is_no_end():
    pieces = encode_texts(ParallelCorpus(TEXTS[:1], TEXTS[:1], [""]), TOKENIZER, 4)
    (batch,) = evaluation_batches(pieces, 100, ("target",))
    a, b, c, d, e, f, g = TOKENIZER.encode("abcdefg")
    shown = {tuple(row) for row in batch.inputs["target"].tolist()}
    assert shown == {(BOS, a, b, c), (BOS, e, f, g)}
    assert {tuple(row) for row in batch.targets.tolist()} == {(a, b, c, d), (e, f, g, EOS)}
    assert np.count_nonzero(batch.targets) == batch.tokens
