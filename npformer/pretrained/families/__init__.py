"""The families of published models, one a file, found by its name."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npformer.discovery import classes_by_file
from npformer.errors import ConfigError, nearest
from npformer.pretrained.family import Family


@functools.cache
def families() -> dict[str, Family]:
    """Every family by the name of its file."""
    return {name: found() for name, found in classes_by_file(__name__, Family).items()}


def family_of(config: Mapping[str, Any], path: Path) -> Family:
    """The family of a config. Raises ConfigError for one that npformer has not."""
    known = {kind: family for family in families().values() for kind in family.model_types}
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in known:
        raise ConfigError(
            f"{path} is a model of type {kind!r}; npformer reads {', '.join(sorted(known))}"
            + nearest(str(kind), known)
        )
    return known[kind]
