"""Tables: which columns are the pair, headers, quotes, delimiters, and rows that are broken."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.errors import CorpusError
from npformer.text.corpus import read_pairs
from tests.text.formats.corpora import pairs, sentences, write

PAIRS = sentences(40)


def numbered(*columns):
    """A row for each pair; ``columns`` make a cell of row number, source and target."""
    return [[column(n, *pair) for column in columns] for n, pair in enumerate(PAIRS)]


def source(n, source, target):
    return source


def target(n, source, target):
    return target


IDENTIFIERS = {
    "numbers": lambda n, s, t: 7000 + n,
    "scores": lambda n, s, t: f"{1 / (n + 2):.4f}",
    "codes": lambda n, s, t: f"news-2014.{n}",
    "addresses": lambda n, s, t: f"https://example.org/{'a' * (n % 7)}",
    "language": lambda n, s, t: "eng",
}


@pytest.mark.parametrize("kind", IDENTIFIERS)
@pytest.mark.parametrize("order", [(0, 1, 0, 2), (0, 1, 2), (1, 0, 2), (0, 0, 1, 2)])
def test_columns_of_no_text_are_passed_over_and_that_is_said(tmp_path, kind, order):
    columns = [(IDENTIFIERS[kind], source, target)[place] for place in order]
    corpus = read_pairs(write(tmp_path / "a.tsv", numbered(*columns)))
    assert list(zip(corpus.source, corpus.target, strict=True)) == PAIRS
    (note,) = corpus.notes
    assert f"source is column {order.index(1) + 1}, target is column {order.index(2) + 1}" in note
    assert "--columns" in note


def test_a_label_behind_the_pair_stays_one_where_columns_are_passed_over(tmp_path):
    rows = numbered(IDENTIFIERS["numbers"], source, target, lambda n, s, t: f"part{n % 3}")
    assert set(read_pairs(write(tmp_path / "a.tsv", rows)).tags) == {"part0", "part1", "part2"}


def test_a_label_is_not_taken_for_a_sentence(tmp_path):
    rows = numbered(source, lambda n, s, t: f"wort{n}", lambda n, s, t: "books")
    corpus = read_pairs(write(tmp_path / "a.tsv", rows))
    assert (corpus.target[:2], set(corpus.tags), corpus.notes) == (
        ["wort0", "wort1"],
        {"books"},
        (),
    )


def test_a_side_of_nothing_but_numbers_is_said(tmp_path):
    corpus = read_pairs(write(tmp_path / "a.tsv", numbered(IDENTIFIERS["numbers"], target)))
    assert corpus.source[0] == "7000"
    assert "the source is nothing but numbers in the first 40 rows" in corpus.notes[0]


@pytest.mark.parametrize("kind", ["numbers", "scores", "codes"])
def test_a_third_column_that_differs_in_each_row_is_no_label(tmp_path, kind):
    corpus = read_pairs(write(tmp_path / "a.tsv", numbered(source, target, IDENTIFIERS[kind])))
    assert set(corpus.tags) == {""}
    assert "column 3 has 40 values in 40 rows" in corpus.notes[0]


@pytest.mark.parametrize("columns", ["2,4", " 2 , 4 "])
def test_columns_by_number(tmp_path, columns):
    rows = numbered(target, source, source, target)
    assert pairs(write(tmp_path / "a.tsv", rows), columns=columns) == PAIRS
    assert pairs(write(tmp_path / "a.tsv", rows), columns="1,2")[0] == PAIRS[0][::-1]
    corpus = read_pairs(
        write(tmp_path / "a.tsv", numbered(source, target, target)), columns="1,2,3"
    )
    assert corpus.tags == corpus.target


@pytest.mark.parametrize(
    ("header", "order"),
    [
        (("source", "target"), (0, 1)),
        (("Source text", "Target text"), (0, 1)),
        (("tgt", "src"), (1, 0)),
        (("en", "de"), (0, 1)),
        (("German", "English"), (1, 0)),
        (("de_DE", "en-GB"), (1, 0)),
        (("eng", "deu"), (0, 1)),
        (("deutsch_text", "english_text"), (1, 0)),
        (("Englisch", "Deutsch"), (0, 1)),
        (("Zieltext", "Ausgangstext"), (1, 0)),
        (("translation", "sentence"), (1, 0)),
        (("English words/sentences", "German words/sentences"), (0, 1)),
        (("translation", "English"), (1, 0)),
        (("0", "1"), (0, 1)),
    ],
)
def test_a_header_is_no_pair_and_says_which_side_is_which(tmp_path, header, order):
    rows = [header, *([pair[place] for place in order] for pair in PAIRS)]
    corpus = read_pairs(write(tmp_path / "a.tsv", rows))
    assert list(zip(corpus.source, corpus.target, strict=True)) == PAIRS
    assert f"({header[0]}, {header[1]}) and is no pair" in corpus.notes[0]


def test_a_header_over_an_index(tmp_path):
    for header in ("", "en", "de"), ("", "0", "1"):
        rows = [header, *((n, s, t) for n, (s, t) in enumerate(PAIRS))]
        assert pairs(write(tmp_path / "a.tsv", rows)) == PAIRS


def test_a_very_wide_header_is_cut_in_messages(tmp_path):
    header = ["source", "target", *(f"score{n}" for n in range(50))]
    path = write(tmp_path / "a.tsv", [header, *((s, t, *range(50)) for s, t in PAIRS)])
    assert "and 40 more" in read_pairs(path).notes[0]
    with pytest.raises(CorpusError, match="has no column 'x'; it has .* and 40 more$"):
        read_pairs(path, columns="source,x")


def test_tabs_at_the_end_of_a_line(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("a\tb\nc\td\t\ne\tf\t \t\n")
    assert pairs(path) == [("a", "b"), ("c", "d"), ("e", "f")]


def test_a_header_over_columns_of_numbers(tmp_path):
    rows = [("Kennung", "Englisch", "Wert"), *((s, t, n) for n, (s, t) in enumerate(PAIRS))]
    assert pairs(write(tmp_path / "a.tsv", rows)) == PAIRS
    rows = [
        ("id", "source", "target", "domain"),
        *((n, s, t, "web") for n, (s, t) in enumerate(PAIRS)),
    ]
    corpus = read_pairs(write(tmp_path / "b.tsv", rows))
    assert (corpus.source[0], set(corpus.tags)) == (PAIRS[0][0], {"web"})


def test_columns_by_name(tmp_path):
    rows = [("Lemma", "Note", "Wort"), *((s, "x", t) for s, t in PAIRS)]
    path = write(tmp_path / "a.tsv", rows)
    assert pairs(path, columns="Lemma,Wort") == PAIRS
    with pytest.raises(CorpusError, match=r"a.tsv' has no column 'Wrt'; it has"):
        read_pairs(path, columns="Lemma,Wrt")


@pytest.mark.parametrize("first", [("it", "es"), ("no", "nein"), ("Source", "Quelle"), ("A", "B")])
def test_words_that_might_head_a_column_are_still_a_pair(tmp_path, first):
    assert pairs(write(tmp_path / "a.tsv", [first, *PAIRS]))[0] == first


def test_a_header_of_other_languages_is_refused(tmp_path):
    path = write(tmp_path / "a.tsv", [("en", "fr"), *PAIRS])
    with pytest.raises(CorpusError, match="no text for language 'de'; it has en, fr: .*--target-l"):
        read_pairs(path)
    assert pairs(path, target_language="fr") == PAIRS


@pytest.mark.parametrize("columns", ["1", "1,2,3,4", "1,,2", ","])
def test_columns_that_are_no_pair(tmp_path, columns):
    with pytest.raises(CorpusError, match="name two, source and target"):
        read_pairs(write(tmp_path / "a.tsv", PAIRS), columns=columns)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n\ufeff"), min_size=1)


@given(
    st.lists(st.tuples(texts, texts), min_size=1, max_size=20),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_python_writes_as_csv_is_read(tmp_path_factory, rows, delimiter, quoting):
    rows = [("source", "target"), *((s.strip() or "a", t.strip() or "b") for s, t in rows)]
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter=delimiter, quoting=quoting).writerows(rows)
    assert pairs(path, columns="source,target") == rows[1:]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv_as_spreadsheets_write_it(tmp_path, delimiter, ends, mark):
    rows = [*PAIRS, ('say "no"', "sag,\t; | »nein«"), ("two\nlines", "zwei\r\nZeilen"), ("a", "b")]
    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        stream.write(mark)
        csv.writer(stream, delimiter=delimiter, lineterminator=ends).writerows(rows)
    assert pairs(path) == [*rows[:-2], ("two lines", "zwei Zeilen"), ("a", "b")]


def test_excel_s_line_that_names_the_delimiter(tmp_path):
    path = write(tmp_path / "a.csv", [("sep=;",), ("en;de",), ("a, b;c",)])
    assert pairs(path) == [("a, b", "c")]


def test_quotes_of_a_spreadsheet_in_a_table_with_tabs(tmp_path):
    path = tmp_path / "a.tsv"
    rows = [*PAIRS, *((f'{s} "so"', t) for s, t in PAIRS)]
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter="\t").writerows(rows)
    corpus = read_pairs(str(path))
    assert list(zip(corpus.source, corpus.target, strict=True)) == rows
    assert "from line 41 on, quotes are a spreadsheet's" in corpus.notes[0]
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter="\t", quoting=csv.QUOTE_ALL).writerows(PAIRS)
    assert pairs(path) == PAIRS


@pytest.mark.parametrize(
    "rows",
    [
        [('"Yes," he said.', '"Ja", sagte er.')],
        [('"Yes."', '"Ja."'), ("plain", "schlicht")],
        [('5" disk', "Diskette"), ('"a ""b"""', "c")],
        [('"opened', "auf"), ("here", "hier"), ('and closed"', "und zu")],
    ],
)
def test_quotes_of_the_text_stay(tmp_path, rows):
    corpus = read_pairs(write(tmp_path / "a.tsv", [*rows, *PAIRS]))
    assert list(zip(corpus.source, corpus.target, strict=True)) == [*rows, *PAIRS]
    assert corpus.notes == ()


@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
@pytest.mark.parametrize("more", [0, 400])  # rows beyond those that decide
def test_a_cell_in_quotes_may_have_line_breaks(tmp_path, quoting, more):
    path = tmp_path / "a.tsv"
    rows = [*PAIRS[:3], ("two\nlines", "zwei\r\nZeilen"), *PAIRS, *[("x\ny", "z")] * more]
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter="\t", quoting=quoting).writerows(rows)
    one_line = [tuple(" ".join(cell.split()) for cell in row) for row in rows]
    assert pairs(path) == one_line


@pytest.mark.parametrize("cells", ['a\t"b\nc" d', 'a\t"b\nc"\td\te', 'a\t"b\nc'])
def test_a_quote_that_no_spreadsheet_wrote_joins_no_lines(tmp_path, cells):
    path = write(tmp_path / "a.tsv", [*PAIRS[:5], (cells,), *PAIRS])
    with pytest.raises(CorpusError, match="line 7 has"):
        pairs(path)


def test_quotes_around_commas_are_excel_s_if_there_are_some(tmp_path):
    plain = [pair for pair in PAIRS if "," not in pair[0] + pair[1]]
    quoted = [(f'"Yes, {s}"', f'"Ja, {t}"') for s, t in plain]
    few = write(tmp_path / "a.tsv", [*plain, *quoted[:2]])
    assert pairs(few)[-1] == quoted[1]  # two may well be speech
    assert pairs(write(tmp_path / "b.tsv", [*plain, *quoted]))[-1] == (
        quoted[-1][0].strip('"'),
        quoted[-1][1].strip('"'),
    )


def test_three_bars_between_the_sides(tmp_path):
    assert pairs(write(tmp_path / "a.txt", PAIRS, between=" ||| ")) == PAIRS


def test_marks_and_separators_within_a_file(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes("\ufeffa\tA\r\n\ufeffb\u2028b\tB\x85\r\n".encode())
    assert pairs(path) == [("a", "A"), ("b\u2028b", "B")]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.tsv", "a,b\nc,d\n", "line 1 has 1 column; .*is named .csv"),
        ("a.en", "a\nc\n", "line 1 has 1 column; .*given as FILE.en,FILE.de"),
        ("a.csv", "a\nb\n", "line 1 has 1 column"),
        ("a.csv", "a,b\nc,d,e\n", "line 2 has 3 columns, those before it 2"),
        ("a.csv", 'a,b\nc,"d\ne,f\n', "begins in line 2 is no CSV"),
        ("a.csv", 'a,b\n"c\nc" d,e\n', "begins in line 2 is no CSV"),
        ("a.csv", 'a,"b\nb"\nc\n', "line 3 has 1 column"),
    ],
)
def test_broken_rows_are_named(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(CorpusError, match=rf"{name}'.*{message}"):
        read_pairs(str(path))
