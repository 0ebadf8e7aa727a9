"""The tokenizer of a source: its file, and which ids begin and end a text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from npformer.errors import TokenizerError
from npformer.pretrained.families import family_of
from npformer.pretrained.names import (
    BYTE_PAIRS,
    GENERATION,
    MERGES,
    TOKENIZER,
    TOKENIZER_CONFIG,
    WORD_PIECES,
)
from npformer.pretrained.source import Source
from npformer.pretrained.vocabularies.byte_pairs import byte_pairs
from npformer.pretrained.vocabularies.word_pieces import word_pieces
from npformer.text.published_tokenizer import PublishedTokenizer
from npformer.text.tokenizer import Tokenizer


def read_tokenizer(source: Source, rows: int) -> Tokenizer:
    """The tokenizer of a source whose embedding has so many rows; it may have fewer ids.

    Without a ``tokenizer.json``, older files are read: those of ``OLDER``. Raises TokenizerError
    for files that are missing or damaged, and for a tokenizer with more ids.
    """
    content, name = _content(source)
    ends, start, target = _marks(source)
    # A config may keep its library's usual ids, also where the vocabulary is smaller.
    known = [end for end in ends if end < rows]
    first = start if start is not None and start < rows else next(iter(known), None)
    tokenizer = PublishedTokenizer(content, known, first, target)
    if not tokenizer.fits(rows):
        raise TokenizerError(
            f"{source.path}: {name} has ids up to {tokenizer.vocab_size - 1}, and the embedding "
            f"{rows} rows; they do not belong together"
        )
    return tokenizer


def _content(source: Source) -> tuple[str, str]:
    """What is, or would be, in ``tokenizer.json``, and the file that says it."""
    if (content := _text(source, TOKENIZER)) is not None:
        return content, TOKENIZER
    for (name, kinds), make in OLDER.items():
        if source.config.get("model_type") in kinds and name in source.files:
            try:
                return make(source), name
            except TokenizerError as error:
                raise TokenizerError(f"{source.path}: {name}: {error}") from error
    raise TokenizerError(
        f"{source.path} has no {TOKENIZER}; the transformers library writes it where "
        "AutoTokenizer.from_pretrained(DIRECTORY).save_pretrained(DIRECTORY) is run"
    )


def _word_pieces(source: Source) -> str:
    said = _table(source, TOKENIZER_CONFIG)
    pieces = (_text(source, WORD_PIECES) or "").splitlines()
    core = word_pieces(
        pieces,
        lowercase=said.get("do_lower_case", True),
        strip_accents=said.get("strip_accents"),
    )
    return str(core.to_str())


def _byte_pairs(source: Source) -> str:
    merges = [
        line
        for line in (_text(source, MERGES) or "").splitlines()
        if line and not line.startswith("#version")
    ]
    return str(byte_pairs(_table(source, BYTE_PAIRS), merges, "gpt-2").to_str())


OLDER: dict[tuple[str, tuple[str, ...]], Callable[[Source], str]] = {
    (WORD_PIECES, ("bert",)): _word_pieces,
    (BYTE_PAIRS, ("gpt2",)): _byte_pairs,
}
"""A file of older sources, the types of models that have it, and what makes a tokenizer of it."""


def _text(source: Source, name: str) -> str | None:
    try:
        return source.files[name].decode()
    except KeyError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise TokenizerError(f"{name} of {source.path} cannot be read: {error}") from error


def _table(source: Source, name: str) -> Mapping[str, Any]:
    """That of a JSON file, empty without one."""
    text = _text(source, name)
    try:
        found = json.loads(text) if text is not None else {}
    except (ValueError, RecursionError) as error:
        raise TokenizerError(f"{name} of {source.path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise TokenizerError(f"{name} of {source.path} holds no table of fields")
    return found


def _marks(source: Source) -> tuple[list[int], int | None, list[int] | None]:
    """What ends a text, begins one, and begins one that is written after a source is read.

    The files for generating say it, or else the config, a part of which may be inside.
    """
    tables = [_table(source, GENERATION), source.config, source.config.get("text_config") or {}]

    def said(name: str) -> Any:
        return next((t[name] for t in tables if t.get(name) is not None), None)

    ends, start = said("eos_token_id"), said("bos_token_id")
    ends = ends if isinstance(ends, list) else [] if ends is None else [ends]
    start = start if start is not None else next(iter(ends), None)
    if not source.config.get("is_encoder_decoder"):
        return ends, start, None
    target, forced = said("decoder_start_token_id"), said("forced_bos_token_id")
    target = said("pad_token_id") if target is None else target
    if forced is None and family_of(source.config, source.path).language_first:
        return ends, start, []
    return ends, start, [each for each in (target, forced) if each is not None]
