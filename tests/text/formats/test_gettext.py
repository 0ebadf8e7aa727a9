"""Catalogues of gettext: what is paired, what is left out, and languages."""

from __future__ import annotations

import sys

import pytest

from npformer.errors import CorpusError, NpformerError
from npformer.text.corpus import read_pairs
from tests.text.formats.corpora import pairs

polib = pytest.importorskip("polib")

CATALOGUE = r"""# Translators.
msgid ""
msgstr ""
"Language: de\n"
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"

#: main.c:7
msgid "Open \"%s\"?"
msgstr "»%s« öffnen?"

msgctxt "verb"
msgid "Long\n"
"text"
msgstr "Langer\n"
"Text"

msgid "One file"
msgid_plural "%d files"
msgstr[0] "Eine Datei"
msgstr[1] "%d Dateien"

msgid "Not yet"
msgstr ""

#, fuzzy
msgid "Guess"
msgstr "Falsch"

#~ msgid "Old"
#~ msgstr "Alt"
"""
PAIRS = [
    ('Open "%s"?', "»%s« öffnen?"),
    ("Long text", "Langer Text"),
    ("One file", "Eine Datei"),
    ("%d files", "%d Dateien"),
]


def write(path, text=CATALOGUE, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("name", ["de.po", "catalogue"])
def test_a_catalogue(tmp_path, name):
    corpus = read_pairs(str(write(tmp_path / name)))
    assert list(zip(corpus.source, corpus.target, strict=True)) == PAIRS
    assert corpus.empty == 1
    assert "2 of 6 entries are fuzzy or obsolete" in corpus.notes[0]


def test_another_encoding(tmp_path):
    text = CATALOGUE.replace("UTF-8", "ISO-8859-1")
    assert pairs(write(tmp_path / "de.po", text, "latin-1"))[0] == PAIRS[0]


@pytest.mark.parametrize("name", ["de.mo", "catalogue"])
def test_a_compiled_catalogue(tmp_path, name):
    catalogue = polib.pofile(str(write(tmp_path / "de.po")))
    catalogue.save_as_mofile(str(tmp_path / name))
    assert sorted(pairs(tmp_path / name)) == sorted(PAIRS)


def test_languages_with_one_plural_form_or_three(tmp_path):
    text = CATALOGUE.replace("Language: de", "Language: pl")
    three = text.replace('%d Dateien"', '%d pliki"\nmsgstr[2] "%d plików"')
    path = write(tmp_path / "a.po", three)
    found = pairs(path, target_language="pl")
    assert found[2:] == [
        ("One file", "Eine Datei"),
        ("%d files", "%d pliki"),
        ("%d files", "%d plików"),
    ]
    one = text.replace('msgstr[1] "%d Dateien"\n', "")
    assert pairs(write(path, one), target_language="pl")[2:] == [("%d files", "Eine Datei")]


def test_the_language_of_a_catalogue(tmp_path):
    path = write(tmp_path / "a.po")
    corpus = read_pairs(str(path), source_language="de", target_language="en")
    assert (corpus.source[0], corpus.target[0]) == PAIRS[0][::-1]
    assert "its translations are the sources" in corpus.notes[0]
    with pytest.raises(
        CorpusError, match="translations into 'de', not 'fr'; add --target-language de"
    ):
        read_pairs(str(path), target_language="fr")


@pytest.mark.parametrize("name", ["a.po", "a.mo"])
def test_damaged_catalogues(tmp_path, name):
    path = write(tmp_path / name, 'msgid "a\nmsgstr\n')
    with pytest.raises(CorpusError, match=rf"{name}' is no catalogue") as caught:
        read_pairs(str(path))
    assert "npformer-" not in str(caught.value)


def test_the_library_missing_says_how_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "polib", None)
    with pytest.raises(NpformerError, match=r"a.po' is .* pip install -e '\.\[corpora\]'"):
        read_pairs(str(write(tmp_path / "a.po")))
