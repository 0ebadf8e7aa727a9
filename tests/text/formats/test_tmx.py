"""Translation memories: languages, inline codes, and XML that is refused."""

from __future__ import annotations

import pytest

from npformer.errors import CorpusError
from npformer.text.corpus import read_pairs
from tests.text.formats.corpora import pairs, sentences

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n'


def memory(units, head=HEAD, attribute="xml:lang"):
    body = "".join(
        "<tu>"
        + "".join(f'<tuv {attribute}="{code}"><seg>{text}</seg></tuv>\n' for code, text in unit)
        + "</tu>\n"
        for unit in units
    )
    return f'{head}<tmx version="1.4"><header srclang="en"/><body>\n{body}</body></tmx>\n'


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("attribute", ["xml:lang", "lang"])
@pytest.mark.parametrize(
    "codes", [("en", "de"), ("EN-US", "DE-AT"), ("en_GB", "de_DE"), ("eng", "ger")]
)
def test_pairs_by_language(tmp_path, attribute, codes):
    units = [
        list(zip(codes, pair, strict=True))[:: 1 - 2 * (n % 2)]
        for n, pair in enumerate(sentences(30))
    ]
    path = write(tmp_path / "a.tmx", memory(units, attribute=attribute))
    assert pairs(path) == sentences(30)
    turned = pairs(path, source_language="de", target_language="en")
    assert turned == [pair[::-1] for pair in sentences(30)]


def test_more_than_two_languages(tmp_path):
    units = [[("en", "a"), ("fr", "b"), ("pt-BR", "c"), ("pt-PT", "d")], [("en", "e"), ("fr", "f")]]
    path = write(tmp_path / "a.tmx", memory(units))
    assert pairs(path, target_language="fr") == [("a", "b"), ("e", "f")]
    assert pairs(path, source_language="fr", target_language="pt-PT") == [("b", "d")]
    assert read_pairs(str(path), target_language="pt").empty == 1
    with pytest.raises(
        CorpusError, match="both 'en' and 'de'; its 2 units have en, fr, pt-BR, pt-PT"
    ):
        read_pairs(str(path))


def test_inline_codes_entities_and_lines(tmp_path):
    english = (
        'A <bpt i="1">&lt;b&gt;<sub>x</sub></bpt><hi>bold &amp; r&#233;al</hi><ept i="1">/b</ept>'
        " <ph/>\n   word"
    )
    path = write(tmp_path / "a.tmx", memory([[("en", english), ("de", "<![CDATA[ein <Wort>]]>")]]))
    assert pairs(path) == [("A bold & réal word", "ein <Wort>")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1"])
def test_encodings(tmp_path, encoding):
    head = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>'
    path = write(tmp_path / "a.tmx", memory([[("en", "a"), ("de", "ä")]], head), encoding)
    assert pairs(path) == [("a", "ä")]


def test_a_memory_without_its_suffix(tmp_path):
    assert pairs(write(tmp_path / "memory", memory([[("en", "a"), ("de", "ä")]]))) == [("a", "ä")]


ENTITY = "<!DOCTYPE tmx [<!ENTITY {}>]>\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # Harmless as they are; what entities may do elsewhere needs no more than these.
        (
            memory([[("en", "&name;"), ("de", "b")]], ENTITY.format('name "Anna"')),
            "line 1 declares the entity 'name'",
        ),
        (
            memory([[("en", "a"), ("de", "b")]], ENTITY.format('name SYSTEM "a.txt"')),
            "declares the entity",
        ),
        (
            memory([[("en", "a & b"), ("de", "c")]]),
            "line 4, column .* is no XML: not well-formed .*a bare &",
        ),
        (memory([[("en", "a"), ("de", "b")]])[:-20], "is no XML: (no element|unclosed)"),
        ("<?xml version='1.0'?><body><tu/></body>", "is XML, but no TMX: its root is 'body'"),
        (memory([]), "its 0 units have none"),
    ],
)
def test_what_is_refused(tmp_path, text, message):
    with pytest.raises(CorpusError, match=f"a.tmx'.*{message}"):
        read_pairs(str(write(tmp_path / "a.tmx", text)))
