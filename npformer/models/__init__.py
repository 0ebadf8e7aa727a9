"""Whole models, assembled from ``npformer.nn``: one file a family, found by its name."""

from __future__ import annotations

import functools
from typing import Any

from npformer.config import ModelConfig
from npformer.discovery import classes_by_file
from npformer.errors import ConfigError, nearest
from npformer.fields import from_dict
from npformer.models.model import Model
from npformer.models.transformer import Transformer, TransformerConfig

__all__ = [
    "Model",
    "Transformer",
    "TransformerConfig",
    "families",
    "family",
    "family_of_texts",
    "make_model",
    "model_config",
]

DEFAULT = "transformer"
"""The family of a configuration that names none, as those of npformer 0.1 do."""


@functools.cache
def families() -> dict[str, type[Model]]:
    """Every family's class by name: of each file here that defines one."""
    return classes_by_file(__name__, Model)


def family(name: str) -> type[Model]:
    """The family of that name; raises ``ConfigError``, with the nearest name, if there is none."""
    return _chosen(name, families())


def family_of_texts(name: str) -> type[Model]:
    """The same of a family that reads texts alone, which a corpus has.

    What hears sound is loaded, and not trained from a corpus. Raises ``ConfigError`` for it too.
    """
    known = {each: found for each, found in families().items() if not found.heard}
    if name in families() and name not in known:
        raise ConfigError(
            f"model {name!r} reads sound, and a corpus is texts; choose one of {', '.join(known)}"
        )
    return _chosen(name, known)


def _chosen(name: str, known: dict[str, type[Model]]) -> type[Model]:
    if name not in known:
        raise ConfigError(
            f"model {name!r} does not exist; choose one of {', '.join(known)}"
            + nearest(name, known)
        )
    return known[name]


def model_config(values: dict[str, Any]) -> ModelConfig:
    """A model's configuration from plain values, as a checkpoint holds them.

    Raises ``ConfigError`` for a family, a field or a value that does not exist.
    """
    return from_dict(family(values.get("family", DEFAULT)).Config, values)


def make_model(config: ModelConfig, **options: Any) -> Model:
    """A model of the configuration's family; ``options`` are ``rng`` and ``dtype``."""
    return family(config.family)(config, **options)
