"""The tokenizer of a source: its file, and which ids begin and end a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from npformer.errors import TokenizerError
from npformer.pretrained.source import Source, read_json
from npformer.text.published_tokenizer import PublishedTokenizer
from npformer.text.tokenizer import Tokenizer

FILE = "tokenizer.json"
GENERATION = "generation_config.json"


def read_tokenizer(source: Source, rows: int) -> Tokenizer:
    """The tokenizer of a source whose embedding has so many rows; it may have fewer ids.

    Raises TokenizerError for a file that is missing or damaged, and for one with more ids.
    """
    path = source.directory / FILE
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise TokenizerError(f"{source.path} has no {FILE}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise TokenizerError(f"{path} cannot be read: {error}") from error
    ends, start = _ends_and_start(source)
    tokenizer = PublishedTokenizer(content, ends, start)
    if not tokenizer.fits(rows):
        raise TokenizerError(
            f"{path} has ids up to {tokenizer.vocab_size - 1}, and the embedding {rows} rows; "
            "they do not belong together"
        )
    return tokenizer


def _ends_and_start(source: Source) -> tuple[list[int], int | None]:
    """What the files for generating say, or else the config, a part of which may be inside."""
    path = source.directory / GENERATION
    tables: list[Mapping[str, Any]] = [read_json(path)] if path.is_file() else []
    tables += [source.config, source.config.get("text_config") or {}]

    def said(name: str) -> Any:
        return next((t[name] for t in tables if t.get(name) is not None), None)

    ends, start = said("eos_token_id"), said("bos_token_id")
    ends = ends if isinstance(ends, list) else [] if ends is None else [ends]
    return ends, start if start is not None else next(iter(ends), None)
