"""The tokenizer of a source: its file, and which ids begin and end a text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import tokenizers
from tokenizers import pre_tokenizers

from npformer.errors import TokenizerError
from npformer.pretrained.families import family_of
from npformer.pretrained.family import Family
from npformer.pretrained.names import (
    BYTE_PAIRS,
    GENERATION,
    MERGES,
    TOKENIZER,
    TOKENIZER_CONFIG,
    WORD_PIECES,
)
from npformer.pretrained.sentencepiece_files import FILES
from npformer.pretrained.small_files import read_table, read_text
from npformer.pretrained.source import Source
from npformer.pretrained.vocabularies.added import add_tokens, put_around
from npformer.pretrained.vocabularies.byte_pairs import byte_pairs
from npformer.pretrained.vocabularies.word_pieces import word_pieces
from npformer.text.model_languages import Languages
from npformer.text.published_tokenizer import PublishedTokenizer
from npformer.text.published_vocabulary import LibraryVocabulary, Vocabulary
from npformer.text.tokenizer import Tokenizer


def read_tokenizer(source: Source, rows: int, source_rows: int | None = None) -> Tokenizer:
    """The tokenizer of a source whose embedding has so many rows; it may have fewer ids.

    A model whose source has an embedding of its own has ``source_rows`` there. Without a
    ``tokenizer.json``, older files are read: those of ``OLDER``, and SentencePiece's. Raises
    TokenizerError for files that are missing or damaged, and for a tokenizer with more ids;
    ModuleNotFoundError for SentencePiece's without that package.
    """
    vocabulary, name = _vocabulary(source)
    ends, start, target = _marks(source)
    # A config may keep its library's usual ids, also where the vocabulary is smaller.
    known = [end for end in ends if end < rows]
    first = start if start is not None and start < rows else next(iter(known), None)
    for size, most in ((vocabulary.size, rows), (vocabulary.source_size, source_rows or rows)):
        if size > most:
            raise TokenizerError(
                f"{source.path}: {name} has ids up to {size - 1}, and the embedding {most} rows; "
                "they do not belong together"
            )
    languages = None
    if target is not None:
        family = family_of(source.config, source.path)
        languages = _languages(family, vocabulary)
        if languages is None and family.language_first and len(target) < 2:
            target = []
    return PublishedTokenizer(vocabulary, known, first, target, languages)


def _languages(family: Family, vocabulary: Vocabulary) -> Languages | None:
    """Those of a vocabulary; None where it has none."""
    if not family.languages:
        return None
    in_source = not family.language_first
    tokens = ((re.fullmatch(family.languages, t), i) for t, i in vocabulary.ids(in_source).items())
    ids = {match[match.lastindex or 0]: i for match, i in tokens if match}
    return Languages(ids, in_source) if ids else None


def _vocabulary(source: Source) -> tuple[Vocabulary, str]:
    """The vocabulary, and the file that says it."""
    if (content := read_text(source, TOKENIZER)) is not None:
        return LibraryVocabulary.read(content), TOKENIZER
    for (name, kinds), make in {**OLDER, **FILES}.items():
        if source.config.get("model_type") in kinds and name in source.files:
            try:
                return make(source, name), name
            except TokenizerError as error:
                raise TokenizerError(f"{source.path}: {name}: {error}") from error
    raise TokenizerError(
        f"{source.path} has no {TOKENIZER}; the transformers library writes it where "
        "AutoTokenizer.from_pretrained(DIRECTORY).save_pretrained(DIRECTORY) is run"
    )


def _word_pieces(source: Source, name: str) -> Vocabulary:
    said = read_table(source, TOKENIZER_CONFIG)
    pieces = (read_text(source, name) or "").splitlines()
    core = word_pieces(
        pieces,
        lowercase=said.get("do_lower_case", True),
        strip_accents=said.get("strip_accents"),
    )
    return LibraryVocabulary.read(core.to_str())


def _byte_pairs(source: Source, name: str) -> Vocabulary:
    return LibraryVocabulary.read(_pairs(source, name).to_str())


def _marked_pairs(source: Source, name: str) -> Vocabulary:
    """Byte-level pairs with marks around a text, as RoBERTa has them."""
    core, said = _pairs(source, name), read_table(source, TOKENIZER_CONFIG)
    if said.get("add_prefix_space", False):
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    for mark in ("<s>", "</s>"):
        if core.token_to_id(mark) is None:
            raise TokenizerError(f"its vocabulary has no {mark}, which stands around a text")
    there = [mark for mark in MARKS if core.token_to_id(mark) is not None]
    add_tokens(core, there)
    put_around(core, "<s>", "</s>")
    return LibraryVocabulary.read(core.to_str())


def _pairs(source: Source, name: str) -> tokenizers.Tokenizer:
    merges = [
        line
        for line in (read_text(source, MERGES) or "").splitlines()
        if line and not line.startswith("#version")
    ]
    return byte_pairs(read_table(source, name), merges, "gpt-2")


MARKS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
"""RoBERTa's tokens that are no parts of words, which its vocabulary lists among those that are."""


OLDER: dict[tuple[str, tuple[str, ...]], Callable[[Source, str], Vocabulary]] = {
    (WORD_PIECES, ("bert",)): _word_pieces,
    (BYTE_PAIRS, ("gpt2",)): _byte_pairs,
    (BYTE_PAIRS, ("roberta", "bart")): _marked_pairs,
}
"""A file of older sources, the types of models that have it, and what makes a tokenizer of it."""


def _marks(source: Source) -> tuple[list[int], int | None, list[int] | None]:
    """What ends a text, begins one, and begins one that is written after a source is read.

    The files for generating say it, or else the config, a part of which may be inside.
    """
    tables = [read_table(source, GENERATION), source.config, source.config.get("text_config") or {}]

    def said(name: str) -> Any:
        return next((t[name] for t in tables if t.get(name) is not None), None)

    ends, start = said("eos_token_id"), said("bos_token_id")
    ends = ends if isinstance(ends, list) else [] if ends is None else [ends]
    start = start if start is not None else next(iter(ends), None)
    if not source.config.get("is_encoder_decoder"):
        return ends, start, None
    target, forced = said("decoder_start_token_id"), said("forced_bos_token_id")
    target = said("pad_token_id") if target is None else target
    return ends, start, [each for each in (target, forced) if each is not None]
