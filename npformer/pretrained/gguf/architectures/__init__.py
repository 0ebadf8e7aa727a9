"""The architectures of GGUF files that are read, one a file, found by its name."""

from __future__ import annotations

import functools
from pathlib import Path

from npformer.discovery import classes_by_file
from npformer.errors import ConfigError, nearest
from npformer.pretrained.gguf.architecture import Architecture
from npformer.pretrained.gguf.file import GgufFile


@functools.cache
def architectures() -> dict[str, Architecture]:
    """Every architecture by its own name."""
    return {found.name: found() for found in classes_by_file(__name__, Architecture).values()}


def architecture_of(file: GgufFile, path: Path) -> Architecture:
    """That of a file. Raises ConfigError for one that npformer has not."""
    known = architectures()
    name = file.metadata.get("general.architecture")
    if not isinstance(name, str) or name not in known:
        raise ConfigError(
            f"{path} is of the architecture {name!r}; of GGUF files npformer reads "
            f"{', '.join(sorted(known))}" + nearest(str(name), known)
        )
    return known[name]
