"""Where sentences end: a table per language, and what holds for any text."""

from __future__ import annotations

import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from npformer.errors import ConfigError, NpformerError
from npformer.text.sentences import join_paragraphs, split_paragraphs, split_sentences
from npformer.text.sentences.languages import LANGUAGES, language_of

# A bar stands where a sentence ends and the next begins.
ENGLISH_TEXTS = """
Mr. Smith met Dr. Jones. | They talked.
Mrs. Brown lives in St. Louis. | Prof. Black does not.
Gen. Lee met Capt. Kirk and Sgt. Pepper. | They sang.
J. R. R. Tolkien wrote it. | It is long.
J.R.R. Tolkien and J. A. Smith agree. | Good.
Pi is 3.14 and version 2.0.1 is out. | Get it.
She came at 5 p.m. | The door was shut.
She came at 5 p.m. and left at 9 a.m. on Monday.
He said "Stop." | Then he left.
He said 'no.' | “Why?” | “Because.” | She nodded.
He said (quietly.) | Then he left.
(It was late.) | He slept.
"Really?" he asked. | "Yes!" | She nodded.
Wait... what is it? | Nothing.
Well … I think so. | Good.
Well . . . I think so. | Good.
Well . . . | Then he left.
He left... | She stayed.
What?! | No!!! | Yes.
1. First do this. | 2. Then do that.
(1) First item. | (2) Second item.
a. The first. | It is short.
- Item one. | Item two.
- 1. Item one. | It is short.
Do this: 1. Open it. | 2. Close it.
See https://example.com/a.b?c=d.e for more. | Go.
See https://example.com/a.html. | Then go.
Mail me at a.b@example.org. | Thanks.
README.md is here. | Read README.md. | Then run setup.py.
Use e.g. Granny Smith, i.e. Apples. | Good.
Apples, pears, etc. | Python is nice.
Apples, pears, etc. are fruit. | Good.
The U.S. Army came. | He lives in the U.S. | He works.
No. 5 is alive. | Is it? | No. | It is dead.
See Fig. 3 and pp. 4 f. for more.
He ate a fig. | It was sweet.
He works at Apple Inc. in Cupertino.
He works at Apple Inc. | They pay well.
He works at Apple Inc. | Tim Cook does too.
World War II. | The end.
I came in Jan. 1999. | Then I left.
He earned a Ph.D. from M.I.T. and left. | Well.
It ended in 1999. | Peter came.
It is good. | iPhone sales rose.
A note.[1] | Then more.
A note. [1]
He moved to plan B. | The end.
Press Tab. | Then press Enter.
Choose File - Open… – Recent. | Then close.
"I see," said Dr. Watson. | "Do you, Mr. Holmes?"
Yahoo! is a company. | So is Google.
It works (see below). | Good.
to render sb. sth.
Smith vs. Jones is a case. | It is old.
Read section 2.1. | The end is near.
One sentence without a stop
3.5 is more than 3. | Really.
What is this?.. | Who knows.
"""

GERMAN_TEXTS = """
Am 3. März kam er. | Dann ging er.
Das sind z.B. Hunde und z. B. Katzen. | Gut.
Hunde, Katzen usw. | Danach kam nichts.
Hunde, Katzen usw. waren da. | Gut.
Frauen bzw. Männer, Nr. 5, Hr. Dr. Müller. | Er kam.
Im 19. Jahrhundert war Karl V. Kaiser. | Ludwig XIV. | Der König.
Er kam 1999. | Dann kam sie. | Im Jahr 2005. | Peter kam.
„Wirklich?“ fragte er. | „Ja!“ | Sie nickte.
„Halt!“, rief er. | „Ich komme.“ | Dann ging er.
»Komm!« | Er kam.
Er kam am 24.12. Peter auch. | Am 24.12. | Dann nicht.
Um 300 v. Chr. | Damals war es so. | 300 v. Chr. lebte er.
d. h. Menschen, i. d. R. Kinder. | So ist es.
Der 2. Weltkrieg. | Der 3. | Das war es.
Er sah … das Meer. | Gut.
Warte … | Er kommt.
Gemäß Art. 5 Abs. 2 S. 1 BGB. | Auf diese Art. | Dann.
1. Erstens. | 2. Zweitens.
Dipl.-Ing. Meier kommt. | Prof. Dr. med. Huber auch.
Es kostet 3,5 Mio. Euro. | Gut.
Rund 1.000 Menschen, ca. 20 km weit. | Ende.
Um 20.15 Uhr beginnt es. | Bis dann!
J. W. v. Goethe schrieb es. | Es ist lang.
Er wohnt in der Goethestr. 5 in Köln.
Wählen Sie Extras – Optionen… – Ansicht. | Fertig.
Die Datei README.md liegt bei. | Lies sie.
Siehe http://beispiel.de/a.html. | Dort steht es.
Was?! | Nein!!! | Doch.
Er heißt Max. | Er ist 25.
vgl. Abb. 3 und Tab. 4. | Sie zeigen es.
Der Verein Muster e. V. hat Mitglieder. | Gut.
Der Verein Muster e. V. | Er hat Mitglieder.
jds. Dienste nutzen
Er sagte: „Es ist spät.“ | (Das war es.) | Gut.
- Ein Punkt. | Noch einer.
"""


def cases(table: str, language: str):
    return [
        pytest.param(line.split(" | "), language, id=f"{language}: {line[:40]}")
        for line in table.strip().splitlines()
    ]


@pytest.mark.parametrize(
    ("sentences", "language"), cases(ENGLISH_TEXTS, "en") + cases(GERMAN_TEXTS, "de")
)
def test_sentences_end_where_a_reader_says(sentences, language):
    assert split_sentences(" ".join(sentences), language) == sentences


def test_a_language_without_rules_still_knows_numbers_initials_and_small_letters():
    text = "Il a 3.14 kg. Et M. J. Dupont? Oui... non. Voilà."
    assert split_sentences(text, "fr") == [
        "Il a 3.14 kg.",
        "Et M. J. Dupont?",
        "Oui... non.",
        "Voilà.",
    ]


def test_regional_codes_take_their_language_s_rules():
    assert language_of("en-GB") is LANGUAGES["en"]
    assert language_of("de_AT") is LANGUAGES["de"]


LINES = [
    ("", []),
    (" \n ", [[], []]),
    ("One.\n\nTwo. Three.\n", [["One."], [], ["Two.", "Three."]]),
    ("A heading\nA sentence. Another.", [["A heading"], ["A sentence.", "Another."]]),
    ("- one\n  - two. Three.\n1. four", [["- one"], ["- two.", "Three."], ["1. four"]]),
    ("Dear Sir,\r\nI am here.", [["Dear Sir,"], ["I am here."]]),
    (
        "This paragraph was wrapped by an editor at some\n"
        "column, as people who write e-mail often do. It\n"
        "goes on.\n"
        "Bye.",
        [
            [
                "This paragraph was wrapped by an editor at some column, as people who write "
                "e-mail often do.",
                "It goes on.",
            ],
            ["Bye."],
        ],
    ),
    (
        "The lines of a file with one sentence a line are kept.\n"
        "Even if the next word would not have fitted. Yes, even\n"
        "- before an item of a list, although the line is full",
        [
            ["The lines of a file with one sentence a line are kept."],
            ["Even if the next word would not have fitted.", "Yes, even"],
            ["- before an item of a list, although the line is full"],
        ],
    ),
]


@pytest.mark.parametrize(("text", "paragraphs"), LINES)
def test_lines_are_kept_unless_they_were_wrapped(text, paragraphs):
    assert split_paragraphs(text) == paragraphs


def test_join_gives_back_a_text_of_single_spaces():
    text = "A heading\n\nOne. Two?\n- three\n\n\nFour."
    assert join_paragraphs(split_paragraphs(text)) == text


FRAGMENTS = [
    *["Dr.", "e.g.", "z.", "B.", "usw.", "3.", "XIV.", "24.12.", "U.S.", "J.", "p.m.", "etc."],
    *[".", "...", "…", "?", "!", "?!", '"', "”", "«", "(", ")", "[1]", "-", "–", ":", ";"],
    *["The", "He", "Der", "word", "Wort", "I", "iPhone", "http://a.b/c.d?", "a.b@c.de"],
    *[" ", "  ", "\n", "\n\n", "\t", "\r\n", "\u2028", "\u00a0", " \n ", "\x1c"],
]


@given(
    st.lists(st.sampled_from(FRAGMENTS)).map("".join) | st.text(max_size=300),
    st.sampled_from(["en", "de", "xx"]),
)
@example("x" * 60 + "\ny. Z\n" + "x" * 60, "en")
def test_nothing_but_white_space_is_lost(text, language):
    sentences = split_sentences(text, language)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence and sentence == sentence.strip() for sentence in sentences)


@given(st.lists(st.sampled_from(FRAGMENTS)).map("".join), st.sampled_from(["en", "de"]))
def test_blank_lines_stay_where_they_were(text, language):
    paragraphs = split_paragraphs(text, language)
    assert paragraphs.count([]) == sum(not line.strip() for line in text.splitlines())
    if paragraphs and paragraphs[-1]:  # a last empty line has no line end of its own
        joined = join_paragraphs(paragraphs)
        assert [bool(p) for p in paragraphs] == [bool(line) for line in joined.split("\n")]


def test_a_megabyte_of_prose_is_cut():
    sentence = "Dr. Meier (born 1999) said: “It is 3.14, e.g. in Fig. 3...” and left."
    text = " ".join([sentence] * (1_000_000 // len(sentence)))
    assert split_sentences(text) == [sentence] * (1_000_000 // len(sentence))


def test_an_engine_that_does_not_exist():
    with pytest.raises(ConfigError, match="did you mean 'spacy'"):
        split_sentences("Hi.", engine="space")  # type: ignore[arg-type]


def test_spacy_missing_says_how_to_install(monkeypatch):
    from npformer.text import sentences

    sentences._spacy_pipeline.cache_clear()
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(NpformerError, match=r"pip install -e '\.\[spacy\]'"):
        split_sentences("Hi.", engine="spacy")


@pytest.mark.filterwarnings("default")  # spaCy's own imports
def test_spacy_splits_too():
    pytest.importorskip("spacy")
    text = "This is one. This is z.B. two!\n\nÜber uns?"
    assert split_paragraphs(text, "de", engine="spacy") == [
        ["This is one.", "This is z.B. two!"],
        [],
        ["Über uns?"],
    ]
    with pytest.raises(NpformerError, match="no language 'xq'"):
        split_sentences("Hi.", "xq", engine="spacy")
