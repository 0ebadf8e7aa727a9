"""Byte-level pairs (Radford et al., 2019): a text is cut by a rule, and bytes of a cut merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers

from npformer.errors import TokenizerError

_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def _by(pattern: str) -> list[Any]:
    return [
        pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]


def _plain() -> list[Any]:
    return [pre_tokenizers.ByteLevel(add_prefix_space=False)]


CUTS = {
    "gpt-2": _plain,
    "smollm": lambda: [pre_tokenizers.Digits(individual_digits=True), *_plain()],
    "llama-bpe": lambda: _by(_LLAMA3),
    "llama3": lambda: _by(_LLAMA3),
    "llama-v3": lambda: _by(_LLAMA3),
    "qwen2": lambda: _by(_QWEN2),
}
"""How a text is cut before bytes are merged, by the names that llama.cpp has for it."""
WHOLE_WORDS = ("llama-bpe", "llama3", "llama-v3")
"""Cuts of vocabularies that have a word whole although no merges lead to it."""
COMPOSED = ("qwen2",)
"""Cuts of vocabularies of composed characters (NFC)."""


def byte_pairs(
    vocabulary: Mapping[str, int], merges: Sequence[str], cut: str | None
) -> tokenizers.Tokenizer:
    """The tokenizer of a vocabulary in the letters of bytes, its merges, and a rule of ``CUTS``.

    A merge is two entries with a space between. Raises TokenizerError for another rule, and for
    merges of what is no part of the vocabulary.
    """
    if cut not in CUTS:
        raise TokenizerError(f"its text is cut as {cut!r}; npformer cuts as {', '.join(CUTS)}")
    pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in merges)]
    try:
        core = tokenizers.Tokenizer(
            models.BPE(dict(vocabulary), pairs, ignore_merges=cut in WHOLE_WORDS)
        )
    except Exception as error:  # the library raises plain Exception
        raise TokenizerError(f"its merges are not of its vocabulary: {error}") from error
    if cut in COMPOSED:
        core.normalizer = normalizers.NFC()
    core.pre_tokenizer = pre_tokenizers.Sequence(CUTS[cut]())
    core.decoder = decoders.ByteLevel()
    return core
