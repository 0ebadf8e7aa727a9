"""The stream gives what ``load_corpus`` holds, row by row, as often as it is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.config import DataConfig
from npformer.errors import CorpusError
from npformer.text.corpus import EMPTY, SHARED, TAKEN, load_corpus
from npformer.text.stream import HELD_OUT, PairStream, StreamedRow

sentences = st.sampled_from(["", " ", "a", "b", "c", "ä", "日本", " d "])
rows = st.lists(st.tuples(sentences, sentences), min_size=1, max_size=60)


def write(folder, name, pairs) -> str:
    path = folder / name
    path.write_text("".join(f"{s}\t{t}\ttag\n" for s, t in pairs), encoding="utf-8")
    return str(path)


def taken(stream: PairStream) -> list[tuple[str, str]]:
    return [(row.source, row.target) for row in stream if row.verdict == TAKEN]


@given(rows, rows, st.booleans(), st.integers(0, 5))
def test_a_stream_is_the_loaded_corpus(tmp_path_factory, pairs, others, own, limit):
    folder = tmp_path_factory.mktemp("corpus")
    data = DataConfig(
        corpus=write(folder, "a.tsv", [("x", "X"), *pairs, ("y", "Y"), ("z", "Z")]),
        validation=write(folder, "b.tsv", [("u", "U"), *others]) if own else "",
        pairs=limit,
    )
    training, validation = load_corpus(data)
    stream = PairStream(data)
    assert taken(stream) == list(zip(training.source, training.target, strict=True))
    assert taken(stream) == taken(stream)
    assert stream.validation.source == validation.source
    assert stream.validation.target == validation.target
    assert stream.validation.tags == validation.tags
    verdicts = [row.verdict for row in stream]
    assert verdicts.count(SHARED) == training.shared
    assert limit or verdicts.count(HELD_OUT) == (0 if own else len(validation))
    assert limit or verdicts.count(EMPTY) == training.empty
    counts = stream.count()
    assert counts == (len(verdicts), len(training))


class Numbered(PairStream):
    """Takes every row; its sentences are the rows' numbers."""

    def __init__(self, count: int) -> None:
        self.count_of_rows = count

    def __iter__(self):
        return (StreamedRow(str(n), str(n), TAKEN) for n in range(self.count_of_rows))


@given(st.integers(1, 40), st.integers(1, 50))
def test_the_tokenizer_s_sample_is_spread_evenly(count, most):
    texts = [int(text) for text in Numbered(count).texts(most, count)]
    numbers = texts[::2]
    assert numbers == texts[1::2]
    assert len(numbers) == min(most, count)
    steps = {b - a for a, b in zip(numbers, numbers[1:], strict=False)}
    assert not steps or max(steps) - min(steps) <= 1


def test_nothing_to_train_on(tmp_path):
    corpus = write(tmp_path, "a.tsv", [("a", ""), ("b", "B")])
    held = write(tmp_path, "b.tsv", [("b", "C")])
    with pytest.raises(CorpusError, match="gives no pair: 1 have an empty side, and validation"):
        PairStream(DataConfig(corpus=corpus, validation=held)).count()
    with pytest.raises(CorpusError, match="holds one pair"):
        PairStream(DataConfig(corpus=corpus))


def test_counting_says_how_far_it_is(tmp_path):
    corpus = write(tmp_path, "a.tsv", [("a", "b")] * 20_001)
    heard: list[int] = []
    held = write(tmp_path, "b.tsv", [("u", "U")])
    PairStream(DataConfig(corpus=corpus, validation=held)).count(heard.append)
    assert heard == [10_000, 20_000]
