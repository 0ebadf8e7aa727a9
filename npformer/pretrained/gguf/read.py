"""A GGUF file as the parts of a published model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from npformer.ops.array import Array
from npformer.pretrained.gguf.architecture import Translated
from npformer.pretrained.gguf.architectures import architecture_of
from npformer.pretrained.gguf.file import GgufFile
from npformer.pretrained.gguf.vocabulary import Vocabulary


class Gguf(NamedTuple):
    """What a family reads, as if it came from a family's own files."""

    config: dict[str, Any]
    tensors: Mapping[str, Array]
    files: Mapping[str, bytes]


def read(path: Path) -> Gguf:
    """The parts of the model in a GGUF file.

    Raises CheckpointError for a file that is damaged or one of several, ConfigError for an
    architecture or metadata that npformer has not, ModuleNotFoundError without the package.
    """
    file = GgufFile(path)
    architecture = architecture_of(file, path)
    config = architecture.config(file, path)
    return Gguf(config, Translated(file, architecture), Vocabulary(file.metadata, path))
