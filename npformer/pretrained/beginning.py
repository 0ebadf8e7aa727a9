"""What ``train --from`` begins with: a published model, or a run of npformer's own.

Chapter     walkthroughs/24_a_model_from_elsewhere.md
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from npformer.config import RunConfig
from npformer.errors import CheckpointError, ConfigError
from npformer.files.manifest import MANIFEST
from npformer.models import family
from npformer.pretrained.load import config_of, load
from npformer.pretrained.run import NOTE, note_of
from npformer.pretrained.source import open_source
from npformer.text.published_tokenizer import PublishedTokenizer, load_tokenizer
from npformer.train.adapted import merged
from npformer.train.beginning import Beginning
from npformer.train.checkpoint import open_checkpoint
from npformer.train.run_directory import is_run, load_checkpoint, resolve

FREE = ("dropout", "weight_bits", "input_bits")
"""Settings of a model that may change where it is trained further."""


def beginning_config(path: Path) -> RunConfig:
    """The configuration of the model at ``path``, read without its weights.

    Of a published model it says nothing of data or training. Raises as ``read_beginning``.
    """
    if _is_own(path):
        return open_checkpoint(resolve(path).path).config
    return RunConfig(model=config_of(open_source(path)))


def read_beginning(
    path: Path, dtype: str, source_language: str | None = None, target_language: str | None = None
) -> Beginning:
    """The model at ``path``, what ``npformer load`` reads or a run or checkpoint of npformer's.

    Adapters of a run are merged. A model that is told languages by ids is told these, where they
    are given. Raises CheckpointError, TokenizerError and ConfigError for what cannot be read,
    TokenizerError for languages that the model has not, ConfigError for a model that hears.
    """
    begun_from = str(path)
    if _is_own(path):
        checkpoint = merged(load_checkpoint(path)[0])
        begun_from = str(checkpoint.path)
        config, weights = checkpoint.config.model, dict(checkpoint.weights)
        tokenizer = load_tokenizer(checkpoint.tokenizer_path)
        published = checkpoint.notes.get(NOTE)
    else:
        found = load(open_source(path), dtype)
        config, weights = found.model.config, found.model.state_dict()
        tokenizer, published = found.tokenizer(), note_of(found)
    if not tokenizer.fits(config.vocab_size):
        raise CheckpointError(
            f"{path} has a tokenizer of {tokenizer.vocab_size} entries and a model of "
            f"{config.vocab_size}; they do not belong together"
        )
    if family(config.family).heard:
        raise ConfigError(f"{path} is a model that hears ({config.family}), and a corpus is texts")
    if isinstance(tokenizer, PublishedTokenizer) and tokenizer.languages is not None:
        tokenizer = tokenizer.between(source_language, target_language)
    notes = {"begun_from": begun_from} | ({NOTE: published} if published else {})
    cast = {name: np.asarray(array, np.dtype(dtype)) for name, array in weights.items()}
    return Beginning(config, cast, tokenizer, notes)


def differences(config: RunConfig, source: RunConfig) -> list[str]:
    """Settings of model and vocabulary that are others than the source's, as ``model.layers``.

    Those of ``FREE`` may be: the weights' names and shapes do not depend on them.
    """
    fixed = {
        "model": [f.name for f in dataclasses.fields(source.model) if f.name not in FREE],
        "data": ["tokenizer", "vocab_size"],
    }
    return [
        f"{part}.{name}"
        for part, names in fixed.items()
        for name in names
        if getattr(getattr(config, part), name) != getattr(getattr(source, part), name)
    ]


def _is_own(path: Path) -> bool:
    if (path / MANIFEST).exists() or (path / "checkpoints").is_dir():
        return True
    return (path / "metrics.jsonl").exists() and is_run(path)
