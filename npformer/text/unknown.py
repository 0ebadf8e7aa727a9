"""What a vocabulary cannot read in a text."""

from __future__ import annotations

import re
from collections import Counter

from npformer.text.tokenizer import EOS, Tokenizer

_WORDS = re.compile(r" ?\w+| ?[^\w\s]")


def unknown(tokenizer: Tokenizer, text: str) -> Counter[str]:
    """How often each piece of ``text`` that the vocabulary does not know occurs in it.

    For ``char`` and ``word`` these are the characters and words that become ``UNK``; for ``bpe``
    the characters that no token holds whole, so that the model sees no more than their bytes.
    White space never counts.
    """
    names = tokenizer.tokens(range(EOS + 1, tokenizer.vocab_size))
    if tokenizer.kind == "word":
        pieces = [word.replace(" ", "▁") for word in _WORDS.findall(f" {text}")]
        known = set(names)
        return Counter(word.removeprefix("▁") for word in pieces if word not in known)
    known = set("".join(names))
    return Counter(c for c in text if not c.isspace() and c not in known)


def listed(pieces: Counter[str], most: int = 5) -> str:
    """The first few in the order of their code points: ``'字', '漢'``."""
    shown = ", ".join(map(repr, sorted(pieces)[:most]))
    return shown + (", ..." if len(pieces) > most else "")
