"""What a vocabulary cannot read, for each of its kinds."""

from __future__ import annotations

import pytest

from npformer.text.tokenizer import Tokenizer
from npformer.text.unknown import listed, unknown

TEXTS = ["die Katze schläft.", "die Maus, die schläft", "„die“ Katze"] * 4


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        ("char", "die Öse\nöden", {"Ö": 1, "ö": 1, "n": 1}),
        ("word", "die Ente, die Ente schläft!", {"Ente": 2, "!": 1}),
        ("bpe", "die Ente 漢字漢", {"漢": 2, "字": 1}),
        ("char", "die Katze", {}),
        ("word", "die Katze schläft.", {}),
        ("bpe", "die schläft.", {}),
    ],
)
def test_what_is_unknown_is_counted(kind, text, found):
    tokenizer = Tokenizer.train(TEXTS, kind, 400)
    assert unknown(tokenizer, text) == found


def test_a_list_ends_after_a_few():
    tokenizer = Tokenizer.train(TEXTS, "char", 400)
    assert listed(unknown(tokenizer, "1234567")) == "'1', '2', '3', '4', '5', ..."
