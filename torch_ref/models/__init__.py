"""Whole models, assembled from ``torch_ref.nn``: one file a family, as in ``npformer.models``."""

from __future__ import annotations

from typing import Any

from npformer.discovery import classes_by_file
from npformer.errors import ConfigError
from torch_ref.models.model import Model
from torch_ref.models.transformer import Transformer

__all__ = ["Model", "Transformer", "make_twin", "twin_class"]


def twin_class(config: Any) -> type[Model]:
    """The twin of the models that ``config`` describes.

    Raises ``ConfigError`` for a family that has no twin.
    """
    twins = classes_by_file(__name__, Model)
    if config.family not in twins:
        raise ConfigError(f"model {config.family!r} has no twin in torch_ref/models")
    return twins[config.family]


def make_twin(config: Any, **options: Any) -> Any:
    """A twin with weights of its own; ``options`` are ``dtype`` and ``device``.

    Raises ``ConfigError`` as ``twin_class``.
    """
    return twin_class(config)(config, **options)
