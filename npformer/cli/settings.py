"""A run's settings as options, which ``train`` and ``sweep`` have in common."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import tyro

from npformer import models
from npformer.cli.arguments import UsageError
from npformer.config import ModelConfig, RunConfig
from npformer.optim import optimizers
from npformer.optim.config import fields_taken
from npformer.presets import fine_tuning, run_preset
from npformer.pretrained.beginning import beginning_config, differences

DEFAULT_PRESET = "tiny"
DEFAULT_FAMILY = models.DEFAULT


def model_options(config: ModelConfig) -> ModelConfig:
    """The configuration as options: all of it but what the tokenizer decides, and the family."""
    hints = typing.get_type_hints(type(config))
    suppress: Any = tyro.conf.Suppress
    fixed: Any = tyro.conf.Fixed
    hidden = [
        (name, suppress[fixed[hints[name]]], getattr(config, name))
        for name in ("family", "vocab_size", "source_vocab_size", "padding_id")
        if name in hints
    ]
    bases = (type(config),)
    cls = dataclasses.make_dataclass("ModelOptions", hidden, bases=bases, frozen=True)
    cls.__doc__ = "The shape of the model; the size of the vocabulary is the trained tokenizer's."
    options: ModelConfig = cls(**dataclasses.asdict(config))
    return options


def word_of(arguments: Sequence[str], option: str) -> str | None:
    """The value that a command line gives an option, before it is parsed in earnest."""
    value = None
    for position, argument in enumerate(arguments):
        name, equals, given = argument.partition("=")
        if name == option:
            value = given if equals else next(iter(arguments[position + 1 :]), None)
    return value


def named_config(arguments: Sequence[str]) -> RunConfig:
    """The run of the preset and of the family of models that a command line names.

    Raises ``ConfigError`` for one that does not exist.
    """
    preset, family = word_of(arguments, "--preset"), word_of(arguments, "--model")
    return run_preset(preset or DEFAULT_PRESET, family)


def begun_config(arguments: Sequence[str], source: str) -> RunConfig:
    """The run of a command line that begins with the model at ``source``.

    Raises ``UsageError`` for another family, ``CheckpointError`` and ``ConfigError`` for a source
    that cannot be read.
    """
    if not Path(source).exists():
        return named_config(arguments)  # so that the options parse, and what begins says the rest
    found = beginning_config(Path(source))
    family = word_of(arguments, "--model")
    if family not in (None, found.model.family):
        raise UsageError(
            f"--model is {family!r}, and {source} is a {found.model.family!r}: leave --model out"
        )
    return fine_tuning(found, word_of(arguments, "--preset"))


def check_begun_options(config: RunConfig, source: Path) -> None:
    """Raise UsageError for settings of the model or the vocabulary that are not the source's."""
    if changed := differences(config, beginning_config(source)):
        names = (name.removeprefix("data.").replace("_", "-") for name in changed)
        raise UsageError(
            f"--{', --'.join(names)}: the model and its vocabulary are those of {source}; leave "
            "out what would change them"
        )


def as_options(config: RunConfig) -> dict[str, Any]:
    """A run's configuration as a command's fields, data to optim."""
    return {
        "data": config.data,
        "train": config.train,
        "twin": config.twin,
        "adapters": config.adapters,
        "family": config.model.family,
        "model": model_options(config.model),
        "optim": config.optim,
    }


def as_config(command: Any) -> RunConfig:
    """The reverse: what those fields of a command say."""
    return RunConfig(
        model=models.model_config(dataclasses.asdict(command.model)),
        optim=command.optim,
        data=command.data,
        train=command.train,
        twin=command.twin,
        adapters=command.adapters,
    )


def check_twin_options(command: Any) -> None:
    """Raise UsageError for an option of the twin's where the NumPy engine is to train."""
    if command.train.engine == "numpy" and (changed := changed_options(command)):
        raise UsageError(f"{', '.join(changed)} is for the PyTorch twin; add --engine torch")


def check_optimizer_options(command: Any, varied: Collection[str] = ()) -> None:
    """Raise UsageError for an option of another optimizer's than the one that is to train.

    ``varied`` are fields that a sweep gives values to. What a preset sets is no one's mistake, and
    a resumed run has its own settings.
    """
    if command.resume or "name" in varied:
        return
    usual, optim = run_preset(command.preset, command.family).optim, command.optim
    read_by = {name: _read_by(kind) for name, kind in optimizers().items()}
    for name in (f.name for f in dataclasses.fields(optim)):
        readers = [other for other, read in read_by.items() if name in read]
        given = name in varied or getattr(optim, name) != getattr(usual, name)
        if given and readers and optim.name not in readers:
            raise UsageError(
                f"optim.{name} has no effect on {optim.name}; it is for {', '.join(readers)}"
            )


def _read_by(optimizer: type) -> set[str]:
    return {field for fields in fields_taken(optimizer).values() for field in fields}


def changed_options(command: Any) -> list[str]:
    """The twin's options that a command line changed; those of a resumed run are its own."""
    if getattr(command, "resume", False):
        return []
    usual = run_preset(command.preset).twin
    return [
        f"--{f.name.replace('_', '-')}"
        for f in dataclasses.fields(usual)
        if getattr(command.twin, f.name) != getattr(usual, f.name)
    ]
