"""Corpora from files and the grammar, their splits, and what is wrong with some."""

from __future__ import annotations

import gzip
import lzma
import sys
import types
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.config import DataConfig
from npformer.errors import CorpusError
from npformer.text.corpus import HELD_OUT, load_corpus, read_pairs

ROWS = [(f"source {n}", f"Ziel {n}", f"tag{n % 3}") for n in range(50)]


def write(path, rows) -> str:
    text = "".join("\t".join(row) + "\n" for row in rows)
    opener = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
    with opener(path, "wt", encoding="utf-8") as stream:
        stream.write(text)
    return str(path)


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz", "a.tsv.xz"])
def test_tab_separated_files(tmp_path, name):
    corpus = read_pairs(write(tmp_path / name, ROWS))
    assert (corpus.source, corpus.target, corpus.tags) == tuple(map(list, zip(*ROWS, strict=True)))
    assert (len(corpus), corpus.empty) == (50, 0)


def test_two_columns_have_no_tag_and_further_columns_are_ignored(tmp_path):
    two = read_pairs(write(tmp_path / "2.tsv", [row[:2] for row in ROWS]))
    four = read_pairs(write(tmp_path / "4.tsv", [(*row, "more") for row in ROWS]), limit=7)
    assert set(two.tags) == {""}
    assert (four.source, four.tags) == ([s for s, _, _ in ROWS[:7]], [t for _, _, t in ROWS[:7]])


@pytest.mark.parametrize(("first", "second"), [("a.en", "a.de"), ("a.en.gz", "a.de.xz")])
def test_aligned_files(tmp_path, first, second):
    spec = ",".join(
        write(tmp_path / name, [(row[side],) for row in ROWS])
        for side, name in enumerate((first, second))
    )
    corpus = read_pairs(spec)
    assert list(zip(corpus.source, corpus.target, strict=True)) == [row[:2] for row in ROWS]


def test_a_comma_in_a_file_s_name(tmp_path):
    assert len(read_pairs(write(tmp_path / "a,b.tsv", ROWS))) == 50


def test_pairs_with_an_empty_side_are_counted(tmp_path):
    rows = [("a", "b"), ("", "c"), ("d", " "), ("e", "f"), ("",)]
    corpus = read_pairs(write(tmp_path / "a.tsv", rows))
    assert (corpus.source, corpus.target, corpus.empty) == (["a", "e"], ["b", "f"], 3)


def test_a_file_without_validation_gives_some_of_its_pairs(tmp_path):
    train, validation = load_corpus(DataConfig(corpus=write(tmp_path / "a.tsv", ROWS)))
    held_out = [ROWS[12], ROWS[37]]  # 5 % of 50, each from the middle of its share
    rest = [row for row in ROWS if row not in held_out]
    assert validation.source == [row[0] for row in held_out]
    assert train.source == [row[0] for row in rest]
    assert (train.tags, validation.tags) == ([r[2] for r in rest], [r[2] for r in held_out])
    many = [(f"s{n}", f"t{n}") for n in range(HELD_OUT * 20 + 20)]
    train, validation = load_corpus(DataConfig(corpus=write(tmp_path / "b.tsv", many), pairs=7))
    assert len(validation) == HELD_OUT
    assert train.source == [s for s, _ in many[:7]]


def test_no_training_pair_shares_a_sentence_with_validation(tmp_path):
    held = [("only here", "nur hier"), ("yes", "ja")]
    rows = [("a", "A"), ("yes", "doch"), ("", "B"), ("right", "ja"), ("c", "C"), ("d", "D")]
    data = DataConfig(
        corpus=write(tmp_path / "a.tsv", rows),
        validation=write(tmp_path / "b.tsv", held),
        pairs=2,
    )
    train, validation = load_corpus(data)
    assert train.source == ["a", "c"]
    assert (train.shared, train.empty, len(validation)) == (2, 1, 2)


sentences = st.sampled_from("abcdefgh")


@given(st.lists(st.tuples(sentences, sentences), min_size=1, max_size=60))
def test_held_out_pairs_never_leak(tmp_path_factory, pairs):
    unseen = ("x", "X"), *pairs  # so that at least one pair is left to train on
    path = tmp_path_factory.mktemp("corpus") / "a.tsv"
    train, validation = load_corpus(DataConfig(corpus=write(path, unseen)))
    assert not set(train.source) & set(validation.source)
    assert not set(train.target) & set(validation.target)
    assert len(train) + train.shared + len(validation) == len(unseen)


class Pair(NamedTuple):
    source: str
    target: str
    alignment: list[tuple[int, int]]


@pytest.fixture
def asked(monkeypatch):
    """What a stand-in for the grammar was asked for."""
    calls = []
    monkeypatch.setattr("npformer.text.corpus.GRAMMAR_PAIRS", 40)

    def generate(split, count, seed):
        calls.append((split, count, seed))
        return [Pair(f"{split} {n}", f"{split} Nr. {n}", []) for n in range(count)]

    module = types.ModuleType("npformer.data.grammar")
    module.generate = generate
    monkeypatch.setitem(sys.modules, "npformer.data.grammar", module)
    return calls


def test_the_grammar_by_split_and_count(asked):
    train, validation = load_corpus(DataConfig(pairs=30))
    assert (train.source[-1], train.tags[0]) == ("train 29", "grammar")
    assert (len(train), len(validation)) == (30, 1000)
    assert len(read_pairs("grammar", split="test", limit=5)) == 5
    load_corpus(DataConfig())
    assert asked == [
        ("validation", 1000, 0),
        ("train", 30, 0),
        ("test", 5, 0),
        ("validation", 1000, 0),
        ("train", 40, 0),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tb\nc\n", "line 2 has 1 column"),
        ("a b\nc\td\n", "line 1 has 1 column"),
        ("a\tb\nc\td\te\n", "line 2 has 3 columns, those before it 2"),
        ("a\tb\tc\nd\te\n", "line 2 has 2 columns, those before it 3"),
        ("\tb\nc\t\n", "no pair: 2 have an empty side"),
        ("", "is empty"),
    ],
)
def test_ragged_and_empty_files(tmp_path, text, message):
    path = tmp_path / "a.tsv"
    path.write_text(text)
    with pytest.raises(CorpusError, match=message):
        read_pairs(str(path))


@pytest.mark.parametrize(("lines", "counts"), [((3, 5), ("3", "5")), ((4, 1), ("4", "1"))])
def test_aligned_files_of_unequal_length(tmp_path, lines, counts):
    names = [tmp_path / "a.en", tmp_path / "a.de"]
    for name, count in zip(names, lines, strict=True):
        name.write_text("x\n" * count)
    with pytest.raises(CorpusError, match=rf"a.en' has {counts[0]}, .*a.de' has {counts[1]}$"):
        read_pairs(f"{names[0]},{names[1]}")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gramar", "did you mean 'grammar'"),
        ("none.tsv", "no file 'none.tsv'"),
        ("none.en,none.de", "no file 'none.en'"),
        ("a,b,c", "names 3 files"),
        ("a.en,", "names 2 files"),
        (".", "is a directory"),
    ],
)
def test_corpora_that_do_not_exist(spec, message):
    with pytest.raises(CorpusError, match=message):
        load_corpus(DataConfig(corpus=spec))


def test_one_pair_is_too_few(tmp_path):
    path = write(tmp_path / "a.tsv", [("a", "b")])
    with pytest.raises(CorpusError, match="holds one pair"):
        load_corpus(DataConfig(corpus=path))
    with pytest.raises(CorpusError, match="validation has a sentence of the other 1"):
        load_corpus(DataConfig(corpus=path, validation=path))
