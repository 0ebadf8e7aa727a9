from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from collections import Counter

import pytest

from npformer.data.grammar import Pair, generate, split_of, words
from npformer.data.grammar.draw_sentences import SentenceDraw
from npformer.data.grammar.generate import MOST_PAIRS
from npformer.data.grammar.leaves import spell
from npformer.errors import CorpusError


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    return generate("train", 20_000)


def test_the_pairs_are_distinct_and_a_function_of_the_arguments(pairs):
    assert len(set(pairs)) == len({pair.source for pair in pairs}) == 20_000
    assert generate("train", 300) == pairs[:300]
    assert generate("train", 300, seed=1) != pairs[:300]


def test_another_process_makes_the_same_pairs(pairs):
    """Nothing hangs on the hash seed of a process or on the order of a set."""
    program = (
        "import hashlib; from npformer.data.grammar import generate; "
        "print(hashlib.sha256(repr(generate('train', 500)).encode()).hexdigest())"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        env={"PYTHONHASHSEED": "12345", "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert out.stdout.strip() == hashlib.sha256(repr(pairs[:500]).encode()).hexdigest()


def test_the_splits_share_no_sentence_of_either_language(pairs):
    splits = {"train": pairs} | {name: generate(name, 3000) for name in ("validation", "test")}
    for side in (0, 1):
        sentences = [{pair[side] for pair in split} for split in splits.values()]
        assert sum(map(len, sentences)) == len(set.union(*sentences))
    assert all(split_of(p.target) == name for name, split in splits.items() for p in split)


def test_a_translation_is_a_function_of_the_english_sentence():
    draw = SentenceDraw(random.Random(11))
    translations: dict[str, str] = {}
    for _ in range(60_000):
        english, german, sign = draw.sentence()
        source, target = spell(english, sign)[0], spell(german, sign)[0]
        assert translations.setdefault(source, target) == target, source
    assert len(translations) > 55_000


def test_a_tenth_each_for_validation_and_test(pairs):
    draw = SentenceDraw(random.Random(2))
    counts = Counter(split_of(spell(*draw.sentence()[1:])[0]) for _ in range(10_000))
    assert 0.09 < counts["test"] / 10_000 < 0.11
    assert 0.09 < counts["validation"] / 10_000 < 0.11


def test_alignments(pairs):
    """Indices in range, sorted, distinct; only commas are left without a partner in German."""
    for source, target, alignment in pairs:
        english, german = words(source), words(target)
        assert sorted(set(alignment)) == list(alignment)
        assert all(0 <= i < len(english) and 0 <= j < len(german) for i, j in alignment)
        unlinked = {german[j] for j in set(range(len(german))) - {j for _, j in alignment}}
        assert unlinked <= {","}, (source, target)


def test_names_numbers_and_final_signs_align_with_themselves(pairs):
    same = {"Anna", "Peter", "Berlin", "April", "."} | {str(year) for year in range(1950, 2020)}
    for source, target, alignment in pairs:
        english, german = words(source), words(target)
        for word in same & set(english) & set(german):
            if english.count(word) == german.count(word) == 1:
                assert (english.index(word), german.index(word)) in alignment, source


def test_sentences_are_well_formed(pairs):
    for source, target, _ in pairs:
        for sentence in (source, target):
            assert sentence[0].isupper() or sentence[0].isdigit()
            assert sentence[-1] in ".?!"
            assert "  " not in sentence
            assert ",," not in sentence.replace(" ", "")
            assert ",." not in sentence
        lower = words(source.lower())
        repeated = {a for a, b in zip(lower, lower[1:], strict=False) if a == b}
        assert repeated <= {"her"}, source  # "gives her her ring"


def test_lengths_suit_a_small_model(pairs):
    lengths = [len(words(pair.source)) for pair in pairs]
    assert 8 < sum(lengths) / len(lengths) < 11
    assert max(lengths) <= 40


def test_unknown_split():
    with pytest.raises(CorpusError, match=r"'tests' does not exist.*did you mean 'test'"):
        generate("tests", 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [-1, MOST_PAIRS + 1])
def test_count_out_of_range(count):
    with pytest.raises(CorpusError, match=str(count)):
        generate("train", count)


def test_no_pairs():
    assert generate("test", 0) == []
