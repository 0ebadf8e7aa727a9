"""Whole models, assembled from ``torch_ref.nn``: one file a family, as in ``npformer.models``."""

from __future__ import annotations

import importlib
from typing import Any

from npformer.errors import ConfigError
from torch_ref.models.model import Model
from torch_ref.models.transformer import Transformer

__all__ = ["Model", "Transformer", "make_twin", "twin_class"]


def twin_class(config: Any) -> type[Model]:
    """The twin of the models that ``config`` describes.

    Raises ``ConfigError`` for a family that has no twin.
    """
    try:
        module = importlib.import_module(f"{__name__}.{config.family}")
    except ModuleNotFoundError as error:
        raise ConfigError(f"model {config.family!r} has no twin in torch_ref/models") from error
    for value in vars(module).values():
        if isinstance(value, type) and getattr(value, "family", None) == config.family:
            return value
    raise ConfigError(f"torch_ref/models/{config.family}.py defines no model of that family")


def make_twin(config: Any, **options: Any) -> Any:
    """A twin with weights of its own; ``options`` are ``dtype`` and ``device``.

    Raises ``ConfigError`` as ``twin_class``.
    """
    return twin_class(config)(config, **options)
