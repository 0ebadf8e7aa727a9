"""What a GGUF architecture says of itself: as which published family it is read.

The format has names of its own for fields and tensors, and some tensors are stored in another form
than a family's own files have them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from npformer.errors import CheckpointError, ConfigError
from npformer.ops.array import Array
from npformer.pretrained.gguf.file import GgufFile

HEADS, KV_HEADS = "attention.head_count", "attention.head_count_kv"
WIDTH, LAYERS = "embedding_length", "block_count"
KEY, VALUE = "attention.key_length", "attention.value_length"
EMBEDDING = "token_embd.weight"
IDS = {
    "bos_token_id": "tokenizer.ggml.bos_token_id",
    "eos_token_id": "tokenizer.ggml.eos_token_id",
    "pad_token_id": "tokenizer.ggml.padding_token_id",
}
"""Fields of a published config that the format has with the vocabulary."""

Stored = Callable[[Array, Mapping[str, Any]], Array]
"""From a tensor as the format stores it to the family's own, given the metadata without prefix."""


class Architecture:
    """One file in ``architectures`` each. It is data but for what a config says otherwise."""

    name: ClassVar[str]
    """``general.architecture``, and what the names of its metadata begin with."""
    model_type: ClassVar[str]
    """That of the family."""
    fields: ClassVar[Mapping[str, str]]
    """Names of its metadata, without prefix, and the fields of the family's config that they
    are."""
    ignored: ClassVar[Mapping[str, str]] = {}
    """Other metadata that is passed over, each with the reason."""
    constants: ClassVar[Mapping[str, Any]] = {}
    """Fields of the config that the architecture implies."""
    tensors: ClassVar[Mapping[str, str]]
    """Patterns of names of tensors, and the family's names."""
    in_config: ClassVar[tuple[str, ...]] = ()
    """Names in the file of tensors that the config is made of, and the model does not have."""
    stored: ClassVar[Mapping[str, Stored]] = {}
    """Patterns of the names in the file of tensors that are stored in another form."""

    def config(self, file: GgufFile, path: Path) -> dict[str, Any]:
        """The config that the family's own files would have.

        Raises ConfigError for metadata that npformer does not know, CheckpointError for a file
        without an embedding.
        """
        said = self.said(file)
        config = {"model_type": self.model_type, **self.constants}
        for name, field in self.fields.items():
            if name in said:
                config[field] = said.pop(name)
        for field, name in IDS.items():
            if name in file.metadata:
                config[field] = file.metadata[name]
        if EMBEDDING not in file:
            raise CheckpointError(f"{path} has no {EMBEDDING!r}, so it is no model of language")
        config["vocab_size"] = file.shape(EMBEDDING)[0]
        config["tie_word_embeddings"] = "output.weight" not in file
        self.adapt(config, said, file)
        for name, value in said.items():
            if name not in self.ignored and name != "vocab_size":
                raise ConfigError(
                    f"{path} has {self.name}.{name} {str(value)[:60]!r}, which npformer does not "
                    "know; it may change what the model computes"
                )
        return config

    def said(self, file: GgufFile) -> dict[str, Any]:
        """The metadata of the architecture, without its prefix."""
        prefix = f"{self.name}."
        return {
            name.removeprefix(prefix): _as_written(value)
            for name, value in file.metadata.items()
            if name.startswith(prefix)
        }

    def adapt(self, config: dict[str, Any], said: dict[str, Any], file: GgufFile) -> None:
        """Take from ``said`` what is not a field as it stands, and complete the config."""


class Translated(Mapping[str, Array]):
    """The tensors of a file by the family's names, in the family's form.

    A name that the architecture does not know stays as it is, to be refused by it.
    """

    def __init__(self, file: GgufFile, architecture: Architecture) -> None:
        self._file, self._architecture = file, architecture
        self._said = architecture.said(file)
        self._names = {
            self._translated(name): name for name in file if name not in architecture.in_config
        }

    def _translated(self, name: str) -> str:
        for pattern, theirs in self._architecture.tensors.items():
            if match := re.fullmatch(pattern, name):
                return match.expand(theirs)
        return name

    def __getitem__(self, name: str) -> Array:
        own = self._names[name]
        tensor = self._file[own]
        for pattern, change in self._architecture.stored.items():
            if re.fullmatch(pattern, own):
                return change(tensor, self._said)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def without_one(tensor: Array, said: Mapping[str, Any]) -> Array:
    """A norm's weight that is stored with the 1 added to it that the family's forward adds."""
    return tensor - 1


def transposed(tensor: Array, said: Mapping[str, Any]) -> Array:
    """A matrix that the family's own files have as (in, out)."""
    return tensor.T


def _as_written(value: Any) -> Any:
    """A number of the file's 32 bits as its author wrote it: 1e-5, not 9.999999747e-06."""
    if isinstance(value, float) and np.float32(value) == value:
        return float(str(np.float32(value)))
    return value
