"""A text as sentences: which lines stay lines, where a sentence began, how it is put together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.text.document import Document

HEADINGS = [
    "Ministers of seven countries will meet again in autumn",
    "A bridge that nobody wanted is to be opened on Sunday",
    "Prices of bread and milk have risen for the third month",
]
WRAPPED = (
    "The ferry had left the harbour when the captain saw\n"
    "that one of the boats was missing. He turned round\n"
    "at once.\n"
)


def upper(document: Document) -> str:
    return document.joined([sentence.upper() for sentence in document.sentences])


@pytest.mark.parametrize("lines", [None, True])
def test_without_blank_lines_every_line_is_one_line(lines):
    text = "\n".join(HEADINGS) + "\n"
    assert upper(Document.read(text, lines=lines)).split("\n") == [h.upper() for h in HEADINGS]


def test_wrapped_lines_are_joined_between_blank_lines_or_when_asked():
    whole = " ".join(WRAPPED.split()).upper()
    assert upper(Document.read(WRAPPED, lines=False)) == whole
    assert upper(Document.read(f"Dear Anna,\n \n{WRAPPED}")) == f"DEAR ANNA,\n\n{whole}"
    assert upper(Document.read(WRAPPED)).count("\n") == 2


def test_a_line_may_hold_two_sentences_and_odd_breaks():
    document = Document.read(
        "He came. She left.\u2028It rained.\r\n\r\nThey slept.\r\n", lines=True
    )
    assert document.sentences == ["He came.", "She left.", "It rained.", "They slept."]
    assert document.line_numbers() == [1, 1, 1, 3]
    assert upper(document) == "HE CAME. SHE LEFT. IT RAINED.\n\nTHEY SLEPT."


def test_a_sentence_is_found_in_the_line_where_it_begins():
    document = Document.read("One.\n\n" + WRAPPED + "\nLast.")
    assert document.line_numbers() == [1, 3, 4, 7]


def test_a_sentence_without_translation_leaves_no_spaces():
    document = Document.read("Yes. No. Perhaps. Never.")
    assert document.joined(["Ja.", "", "", "Nie."]) == "Ja. Nie."


rows = st.lists(st.text(st.sampled_from("aB. !\t\u00a0\x85\u2028"), max_size=9), max_size=6)


@given(rows)
def test_line_n_belongs_to_line_n(rows):
    text = "".join(f"{row}\n" for row in rows)
    document = Document.read(text, lines=True)
    assert len(document.paragraphs) == len(rows)
    for row, own in zip(rows, document.paragraphs, strict=True):
        assert "".join("".join(own).split()) == "".join(row.split())
    starts = [n for n, own in enumerate(document.paragraphs, 1) for _ in own]
    assert document.line_numbers() == starts
