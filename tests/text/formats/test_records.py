"""JSON and parquet: which names are source and target, and records that are broken."""

from __future__ import annotations

import json
import sys

import pytest

from npformer.errors import CorpusError, NpformerError
from npformer.text.corpus import read_pairs
from tests.text.formats.corpora import pairs, sentences

PAIRS = sentences(30)


def json_lines(path, records):
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), "utf-8")


def json_list(path, records):
    path.write_text(json.dumps(records, indent=1), "utf-8")


def parquet(path, records):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.Table.from_pylist(records), path)


WRITERS = {
    "a.jsonl": json_lines,
    "a.ndjson": json_lines,
    "unnamed": json_lines,
    "a.json": json_list,
    "a.parquet": parquet,
    "b": parquet,
}


def write(folder, name, records):
    WRITERS[name](folder / name, records)
    return folder / name


NAMES = [
    ("en", "de"),
    ("source", "target"),
    ("src", "tgt"),
    ("source_text", "target_text"),
    ("English", "German"),
    ("text_en", "text_de"),
    ("en-US", "de-DE"),
]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("names", NAMES, ids="-".join)
def test_usual_names(tmp_path, name, names):
    records = [
        {"id": n, names[1]: t, names[0]: s, "score": n / 7} for n, (s, t) in enumerate(PAIRS)
    ]
    assert pairs(write(tmp_path, name, records)) == PAIRS


@pytest.mark.parametrize("name", WRITERS)
def test_texts_within_an_object(tmp_path, name):
    records = [{"id": 1, "translation": {"de": t, "en": s, "fr": "f"}} for s, t in PAIRS]
    path = write(tmp_path, name, records)
    assert pairs(path) == PAIRS
    assert pairs(path, target_language="fr")[0] == (PAIRS[0][0], "f")
    assert pairs(path, columns="translation.de,translation.fr")[0] == (PAIRS[0][1], "f")
    with pytest.raises(
        CorpusError, match="language 'nl'; it has de, en, fr: choose with --source-l"
    ):
        read_pairs(str(path), target_language="nl")


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_columns_by_name_and_a_label(tmp_path, name):
    records = [{"one": s, "two": t, "part": "web"} for s, t in PAIRS]
    path = write(tmp_path, name, records)
    assert set(read_pairs(str(path), columns="one,two,part").tags) == {"web"}
    assert pairs(path, columns="2,1") == [pair[::-1] for pair in PAIRS]
    with pytest.raises(CorpusError, match="it has one, two, part: name two with --columns"):
        read_pairs(str(path))
    with pytest.raises(CorpusError, match="has no column 'three'; it has one, two, part"):
        read_pairs(str(path), columns="one,three")


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.parquet"])
def test_null_is_an_empty_side_and_line_breaks_are_spaces(tmp_path, name):
    records = [{"en": "a \n b", "de": "c\r\n\td"}, {"en": None, "de": "x"}, {"en": "", "de": "y"}]
    corpus = read_pairs(str(write(tmp_path, name, records)))
    assert (corpus.source, corpus.target, corpus.empty) == (["a b"], ["c d"], 2)


def test_lists_and_empty_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('["a", "b"]\n\n["c", null]\n["e", "f", 0.7]\n')
    assert pairs(path) == [("a", "b"), ("e", "f")]


def test_a_language_that_one_translation_lacks(tmp_path):
    records = [{"translation": {"en": "a", "de": "b"}}, {"translation": {"en": "c"}}]
    corpus = read_pairs(str(write(tmp_path, "a.jsonl", records)))
    assert (corpus.source, corpus.empty) == (["a"], 1)


def test_a_list_on_one_long_line(tmp_path):
    records = [{"en": f"{s} " + "so " * 3000, "de": t} for s, t in PAIRS * 5]
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(records).encode())
    assert path.stat().st_size > 1 << 20
    assert [target for _, target in pairs(path)] == [t for _, t in PAIRS * 5]


GOOD = '{"en": "a", "de": "b"}\n'


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", GOOD + '{"en": "a", "de": }\n', "line 2 is no JSON at column 19"),
        ("a.jsonl", GOOD + "7\n", "line 2 is int; a record is an object"),
        ("a.jsonl", GOOD + '["a"]\n', "line 2 is no list of two texts"),
        ("a.jsonl", GOOD + '{"en": "a"}\n', "line 2 has no 'de'; it has en"),
        ("a.jsonl", GOOD + '{"en": "a", "de": [1]}\n', "line 2 holds a list where a sentence"),
        (
            "a.jsonl",
            '{"en-US": "a", "en-GB": "b", "de": "c"}\n',
            "has en-US, en-GB for language",
        ),
        ("a.json", '{"rows": [\n' + GOOD + "]}\n", "line 1 is no JSON .* list of objects"),
        ("a.json", '[{"en": "a", "de": "b"},\n {"en": "a"}]', "record 2 has no 'de'"),
        ("a.json", '[{"en": "a",\n "de": "\0"}]', "line 2 has a NUL"),
        ("a.json", '[{"en": "a", "de": "b"},\n "x\n', "line 2 is no JSON"),
        ("a.parquet", "PAR1 is no parquet", "is damaged, or no parquet"),
    ],
)
def test_broken_records_are_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    if name == "a.parquet":
        pytest.importorskip("pyarrow")
    with pytest.raises(CorpusError, match=f"{name}'.*{message}") as caught:
        read_pairs(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_the_library_missing_says_how_to_install(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(NpformerError, match=r"is parquet, .* pip install -e '\.\[corpora\]'"):
        read_pairs(str(tmp_path / "a.parquet"))
