"""The examples of docs/corpora.md are what the page says they are."""

from __future__ import annotations

import re

import pytest

from tests.backwards import ROOT
from tests.text.formats.corpora import pairs

PAGE = (ROOT / "docs" / "corpora.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^### `([\w.]+)`$.*?^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("name", "content"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_an_example_holds_the_two_pairs(tmp_path, name, content):
    if name.endswith(".po"):
        pytest.importorskip("polib")
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert pairs(tmp_path / name) == [
        ("We go home.", "Wir gehen heim."),
        ('She said "no".', 'Sie sagte "nein".'),
    ]


def test_the_page_has_its_examples():
    assert [name.partition(".")[2] for name, _ in EXAMPLES] == ["tsv", "csv", "jsonl", "tmx", "po"]
