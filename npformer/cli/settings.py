"""A run's settings as options, which ``train`` and ``sweep`` have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tyro

from npformer.cli.arguments import UsageError
from npformer.config import ModelConfig, RunConfig
from npformer.presets import run_preset

DEFAULT_PRESET = "tiny"


@dataclass(frozen=True)
class ModelOptions(ModelConfig):
    """The shape of the model; the size of the vocabulary is the trained tokenizer's."""

    vocab_size: tyro.conf.Suppress[tyro.conf.Fixed[int]] = ModelConfig.vocab_size
    padding_id: tyro.conf.Suppress[tyro.conf.Fixed[int]] = ModelConfig.padding_id


def preset_of(arguments: Sequence[str]) -> str | None:
    """The preset that a command line names, before it is parsed in earnest."""
    value = None
    for position, argument in enumerate(arguments):
        name, equals, given = argument.partition("=")
        if name == "--preset":
            value = given if equals else next(iter(arguments[position + 1 :]), None)
    return value


def preset_config(preset: str | None) -> RunConfig:
    """The run of a preset, of the default one for None. Raises ``ConfigError``."""
    return run_preset(DEFAULT_PRESET if preset is None else preset)


def as_options(config: RunConfig) -> dict[str, Any]:
    """A run's configuration as a command's fields data, train, twin, model and optim."""
    return {
        "data": config.data,
        "train": config.train,
        "twin": config.twin,
        "model": ModelOptions(**dataclasses.asdict(config.model)),
        "optim": config.optim,
    }


def as_config(command: Any) -> RunConfig:
    """The reverse: what those fields of a command say."""
    return RunConfig(
        model=ModelConfig(**dataclasses.asdict(command.model)),
        optim=command.optim,
        data=command.data,
        train=command.train,
        twin=command.twin,
    )


def check_twin_options(command: Any) -> None:
    """Raise UsageError for an option of the twin's where the NumPy engine is to train."""
    if command.train.engine == "numpy" and (changed := changed_options(command)):
        raise UsageError(f"{', '.join(changed)} is for the PyTorch twin; add --engine torch")


def changed_options(command: Any) -> list[str]:
    """The twin's options that a command line changed; those of a resumed run are its own."""
    if command.resume:
        return []
    usual = preset_config(command.preset).twin
    return [
        f"--{f.name.replace('_', '-')}"
        for f in dataclasses.fields(usual)
        if getattr(command.twin, f.name) != getattr(usual, f.name)
    ]
