"""The splitter on sets of edge cases: a file a language in ``sentences/``.

A bar stands where a sentence ends; with spaces around it, where a space is in the text. A line that
begins with ~ is one that the splitter reads otherwise, for want of what the words mean.
"""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from npformer.text.sentences import join_paragraphs, split_sentences
from npformer.text.sentences.boundaries import boundaries_of
from npformer.text.sentences.full_stop import Following, FullStop
from npformer.text.sentences.languages import LANGUAGES, language_of

SETS = sorted((Path(__file__).parent / "sentences").glob("*.txt"))


def case(line: str) -> tuple[str, list[str]]:
    """A line of a set -> its text, its sentences."""
    return line.replace(" | ", " ").replace("|", ""), [part.strip() for part in line.split("|")]


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_sentences_end_where_the_set_says(path):
    wrong = []
    for line in path.read_text(encoding="utf-8").splitlines():
        text, sentences = case(line.removeprefix("~ "))
        found = split_sentences(text, path.stem)
        if (found == sentences) == line.startswith("~ "):
            wrong.append(f"{line}   ->   {' | '.join(found)}")
    assert not wrong, "\n" + "\n".join(wrong)


def test_every_language_with_rules_has_a_set():
    borrowed = {"mr", "nb", "nn", "no"}  # they have another language's rules
    assert {path.stem for path in SETS} >= set(LANGUAGES) - borrowed


def test_scripts_have_their_stops_in_any_language():
    assert split_sentences("我住在这里。你呢？", "en") == ["我住在这里。", "你呢？"]
    assert split_sentences("यह घर है। वह पेड़ है।", "de") == ["यह घर है।", "वह पेड़ है।"]
    assert split_sentences("Πού πας; Εκεί.", "en") == ["Πού πας; Εκεί."]  # in Greek alone


def test_no_space_is_put_behind_a_stop_that_has_none():
    assert (
        join_paragraphs([["我来了。", "你呢？"], ["We go.", "You?"]])
        == "我来了。你呢？\nWe go. You?"
    )


def test_a_language_without_rules_knows_its_ordinals():
    assert split_sentences("Přišel 3. Března. Potom odešel.", "cs") == [
        "Přišel 3. Března.",
        "Potom odešel.",
    ]


PIECES = [
    *[
        "Dr.",
        "Dr .",
        "e.g.",
        "p.m.",
        "6 ft.",
        "Matt. 7:12",
        "Ph.D.",
        "1.",
        "2.",
        "(a)",
        "(b)",
        "ii.",
    ],
    *[
        ". . .",
        "[...]",
        "…",
        "?!",
        '"',
        "“",
        "”",
        "(",
        ")",
        "[4]",
        "¹",
        "。",
        "」",
        "।",
        "؟",
        "་",
        "།",
    ],
    *["The", "he", "Word", "word", "我", "iPhone", " ", "  ", "\u00a0", ": ", "• ", "."],
]
texts = st.lists(st.sampled_from(PIECES), max_size=60).map("".join) | st.text(max_size=200)
languages = st.sampled_from([*LANGUAGES, "cs", "xx"])


@given(texts, languages)
@example('a ("b. C" d. E) f.', "en")
def test_pieces_are_the_text_from_left_to_right(text, language):
    block = " ".join(text.split())
    at = 0
    for sentence in split_sentences(block, language):
        found = block.index(sentence, at)
        assert not block[at:found].strip()
        at = found + len(sentence)
    assert not block[at:].strip()


@given(texts, languages)
def test_the_ends_are_inside_the_text_and_rise(text, language):
    ends = list(boundaries_of(language).ends(text))
    assert ends == sorted(set(ends))
    assert all(0 < end < len(text) for end in ends)


@given(texts, languages)
@example("Yes._ No", "en")
@example("(a) one (b) two", "en")
def test_a_text_taken_for_one_sentence_at_a_glance_has_no_end_inside(text, language):
    boundaries = boundaries_of(language)
    ends = [0, *boundaries.ends(text), len(text)]
    pieces = [text[begin:end].strip() for begin, end in pairwise(ends)]
    assert boundaries.cut(text) == [piece for piece in pieces if piece]


@given(
    st.sampled_from(PIECES) | st.text(st.characters(max_codepoint=0x17F), min_size=1, max_size=12),
    st.sampled_from(["", "v. ", "Chapter ", "5 ", "Elm ", "at ", "a: ", "z. B. "]),
    st.sampled_from(["Word", "The", "I", "Dr"]),
    st.sampled_from(["de", "en", "fr", "ru", "cs"]),
)
@example("PyTorch", "", "Word", "en")
@example("(here)", "v. ", "Dr", "de")
def test_an_ordinary_word_s_full_stop_ends_whatever_is_around_it(token, lead, word, language):
    rule = FullStop(language_of(language))
    if rule.ordinary(token):
        for stop, whole in product((False, True), repeat=2):
            assert rule.ends(lead + token, Following(word, stop), verse=False, whole=whole)


class Counted(str):
    """A text that counts the characters that are copied or searched by its methods."""

    cost = 0

    def __getitem__(self, key):
        found = str.__getitem__(self, key)
        Counted.cost += len(found)
        return found

    def count(self, sub, begin=0, end=None):
        end = len(self) if end is None else end
        Counted.cost += end - begin
        return str.count(self, sub, begin, end)

    def rfind(self, sub, begin=0, end=None):
        end = len(self) if end is None else end
        found = str.rfind(self, sub, begin, end)
        Counted.cost += end - max(found, begin)
        return found


def cost(text: str, language: str) -> int:
    Counted.cost = 0
    for _ in boundaries_of(language).ends(Counted(text)):
        Counted.cost += 1
    return Counted.cost


MONOTONOUS = [
    *[
        "x",
        ".",
        "x. ",
        "A. ",
        "X.\tY. ",
        "1. ",
        "1. a 2. b ",
        "a: 1. b 2. c ",
        "(1) ",
        "• ",
        '"',
        "(",
    ],
    *[
        '("',
        '." ',
        '("A. B. ',
        "(A. b) ",
        "“A. ",
        "”",
        "« ",
        "[...] ",
        ". . ",
        "... A",
        "[4]",
        ". [4] ",
    ],
    *[
        "? ",
        "。",
        "「。",
        "། ",
        "z. B. ",
        "e.g. A ",
        "p.m. Mr. ",
        "U.S. ",
        "A.B",
        "a.The ",
        "x.X",
        "\u00a0. ",
    ],
]


@pytest.mark.parametrize("language", ["en", "de", "hy", "zh"])
@pytest.mark.parametrize("piece", MONOTONOUS)
def test_twice_the_text_costs_twice_as_much(piece, language):
    once = piece * (1000 // len(piece))
    assert cost(once * 4, language) <= 4.2 * cost(once, language) + 4000
    assert cost(once, language) <= 200 * len(once) + 2000


@pytest.mark.parametrize(
    "piece", [*MONOTONOUS, '."a', "...a", "(a", '."', "!.", ". (", "- ", "\n", " ", "…"]
)
def test_long_texts_of_one_piece_are_cut_and_whole(piece):
    # A pattern that backtracks over the whole text would not end today.
    text = piece * (20_000 // len(piece)) + " End."
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())
