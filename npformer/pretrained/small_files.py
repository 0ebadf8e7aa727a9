"""The small files beside a model's weights, as text and as tables of fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from npformer.errors import TokenizerError
from npformer.pretrained.source import Source


def read_text(source: Source, name: str) -> str | None:
    """A file's text, None without one. Raises TokenizerError for one that cannot be read."""
    try:
        return source.files[name].decode()
    except KeyError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise TokenizerError(f"{name} of {source.path} cannot be read: {error}") from error


def read_table(source: Source, name: str) -> Mapping[str, Any]:
    """That of a JSON file, empty without one. Raises TokenizerError for one that is none."""
    text = read_text(source, name)
    try:
        found = json.loads(text) if text is not None else {}
    except (ValueError, RecursionError) as error:
        raise TokenizerError(f"{name} of {source.path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise TokenizerError(f"{name} of {source.path} holds no table of fields")
    return found
