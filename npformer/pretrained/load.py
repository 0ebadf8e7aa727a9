"""A published model as one of npformer's.

Chapter     walkthroughs/24_a_model_from_elsewhere.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import CheckpointError, ConfigError
from npformer.models import make_model, model_config
from npformer.models.model import Model
from npformer.nn.init import Undrawn
from npformer.ops.array import Array
from npformer.pretrained.families import family_of
from npformer.pretrained.family import Family
from npformer.pretrained.fields import Fields
from npformer.pretrained.float8 import check_stored
from npformer.pretrained.source import Source, open_source
from npformer.pretrained.tensors import read_parameters
from npformer.pretrained.tokenizer import read_tokenizer
from npformer.text.tokenizer import Tokenizer


class Pretrained(NamedTuple):
    """A model that somebody else has trained."""

    model: Model
    family: Family
    source: Source

    def tokenizer(self) -> Tokenizer:
        """That of the source. Raises TokenizerError if it has none, or one of another model."""
        config = self.model.config
        return read_tokenizer(
            self.source, config.vocab_size, getattr(config, "source_size", config.vocab_size)
        )


def from_pretrained(path: Path | str, dtype: DTypeLike = np.float32) -> Pretrained:
    """The model in the directory or GGUF file ``path``, with every weight converted to ``dtype``.

    Raises CheckpointError for files that are missing, damaged or do not fit together, ConfigError
    for a family, a field of the config or a value of it that npformer has not.
    """
    return load(open_source(path), dtype)


def load(source: Source, dtype: DTypeLike = np.float32) -> Pretrained:
    """The model of a source; raises CheckpointError and ConfigError as ``from_pretrained``."""
    family = family_of(source.config, source.path)
    names = family.own_names(list(source.tensors))
    config = config_of(source)
    model = make_model(config, rng=Undrawn(), dtype=dtype)
    parameters = dict(model.named_parameters())
    entries = family.entries(config)
    _check_covered(family, [path for entry in entries for path in entry.ours], parameters)
    read_parameters(
        entries,
        Renamed(source.tensors, names),
        parameters,
        spelled=names,
        ignored=family.ignored_tensors,
        tied=family.tied(config),
        where=str(source.path),
    )
    return Pretrained(model, family, source)


def config_of(source: Source) -> Any:
    """The configuration of a source's model, for which no weight is read; raises ConfigError."""
    family = family_of(source.config, source.path)
    names = family.own_names(list(source.tensors))
    fields = Fields(source.config, str(source.said_in), family.ignored_fields, names)
    settings = {**family.settings(fields), **family.beside(source.files)}
    check_stored(fields)
    fields.refuse_others()
    try:
        return model_config({"family": family.model, "dropout": 0.0, **settings})
    except ConfigError as error:
        raise ConfigError(f"{source.path} describes a model that cannot be: {error}") from error


class Renamed(Mapping[str, Array]):
    """``tensors`` by other names: of each the name that it has there."""

    def __init__(self, tensors: Mapping[str, Array], names: Mapping[str, str]) -> None:
        self._tensors, self._names = tensors, names

    def __getitem__(self, name: str) -> Array:
        return self._tensors[self._names[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _check_covered(family: Family, paths: Sequence[str], parameters: Mapping[str, Any]) -> None:
    """Every parameter has its entry, or a family's table contradicts its settings."""
    for path in sorted(parameters.keys() ^ set(paths)):
        raise CheckpointError(f"the table of {type(family).__name__} is wrong at {path!r}")
