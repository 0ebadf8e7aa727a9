"""A run's configuration from the plain values that its directory holds."""

from __future__ import annotations

from typing import Any

from npformer.config import RunConfig
from npformer.errors import ConfigError
from npformer.fields import from_dict
from npformer.models import model_config


def run_config(values: dict[str, Any]) -> RunConfig:
    """The reverse of ``to_dict``: the model's part is read by its family.

    Raises ``ConfigError`` for an unknown family, and for an unknown or ill-typed field.
    """
    if not isinstance(values, dict) or not isinstance(values.get("model", {}), dict):
        raise ConfigError("a run's configuration must be a table of fields, its model another")
    parts = {**values, "model": model_config(values.get("model", {}))}
    return from_dict(RunConfig, _moved(parts))


def _moved(parts: dict[str, Any]) -> dict[str, Any]:
    """Older runs had the checkpointing of activations among the twin's own settings."""
    name, twin = "checkpoint_activations", parts.get("twin")
    if not isinstance(twin, dict) or name not in twin:
        return parts
    rest = {key: value for key, value in twin.items() if key != name}
    return {**parts, "twin": rest, "train": {**parts.get("train", {}), name: twin[name]}}
