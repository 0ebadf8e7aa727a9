"""How a model's states become one vector for a text, as the sentence-transformers library says it.

``modules.json`` lists what comes after the encoder, and the pooling has a config of its own. A
source without them is an encoder alone, whose vectors are means at length 1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from npformer.errors import ConfigError

MODULES = "modules.json"
KNOWN = ("Transformer", "Pooling", "Normalize")
"""Kinds of modules, by the last part of their class's name."""
POOLINGS = {"mean_tokens": "mean", "cls_token": "cls"}
"""Of the pooling's modes, those that npformer has, with its own name."""


def sentence_vectors(files: Mapping[str, bytes]) -> dict[str, Any]:
    """The settings ``pooling`` and ``unit_vectors``, if the source says any.

    Raises ConfigError for a file that cannot be understood, and for what npformer has not.
    """
    if MODULES not in files:
        return {}
    modules = _read(files, MODULES)
    try:
        kinds = {m["type"].rpartition(".")[2]: m["path"] for m in modules}
    except (TypeError, KeyError, AttributeError):
        raise ConfigError(f"{MODULES} is no list of modules with their types") from None
    for kind in kinds:
        if kind not in KNOWN:
            raise ConfigError(
                f"{MODULES} has a module {kind}; npformer has {', '.join(KNOWN)} of texts' vectors"
            )
    found: dict[str, Any] = {"unit_vectors": "Normalize" in kinds}
    if "Pooling" in kinds:
        found["pooling"] = _pooling(_read(files, f"{kinds['Pooling']}/config.json"))
    return found


def _pooling(config: Any) -> str:
    if not isinstance(config, dict):
        raise ConfigError("the pooling's config is no table of fields")
    named = config.get("pooling_mode")
    modes = [named] if isinstance(named, str) else list(named or [])
    begin = "pooling_mode_"
    modes += [name.removeprefix(begin) for name, on in config.items()
              if name.startswith(begin) and on is True]  # fmt: skip
    if len(modes) != 1 or modes[0] not in {**POOLINGS, "mean": "", "cls": ""}:
        raise ConfigError(
            f"the source pools by {', '.join(map(str, modes)) or 'nothing'}; npformer has "
            f"{', '.join(POOLINGS)}, one at a time"
        )
    return POOLINGS.get(modes[0], modes[0])


def _read(files: Mapping[str, bytes], name: str) -> Any:
    try:
        return json.loads(files[name])
    except (KeyError, ValueError, RecursionError) as error:
        raise ConfigError(f"{name} is missing or cannot be understood: {error}") from error
