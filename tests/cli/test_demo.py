"""`make demo` says that its sentences were never seen in training."""

from __future__ import annotations

import re
from pathlib import Path

from npformer.data.grammar import generate
from npformer.text.sentences import split_sentences

MAKEFILE = Path(__file__).resolve().parents[2] / "Makefile"


def test_the_demo_translates_sentences_of_the_test_split():
    text = MAKEFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    shown = " ".join(re.findall(r"^(?:UNSEEN|SHOWN) +:= (.*)$", text, re.MULTILINE))
    sentences = split_sentences(shown)
    assert len(sentences) == 5
    assert set(sentences) <= {pair.source for pair in generate("test", 1000, 0)}
