"""That all trials of a sweep are trained on the same pairs, or their losses would not compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from npformer.config import RunConfig
from npformer.fields import to_dict
from npformer.files.manifest import CONFIG
from npformer.train.data_record import CORPUS, DataRecord, read_record

_FREE = {"corpus", "validation", "shards", "batch_tokens", "pack"}
"""Fields of ``DataConfig`` that say where pairs are, or how they are put together; not which."""


def has_record(sweep: Path) -> bool:
    """Whether any trial so far has a record of its pairs."""
    return any(sweep.glob(f"trials/*/{CORPUS}"))


def same_data(sweep: Path, config: RunConfig) -> tuple[DataRecord, str] | None:
    """The record of a trial that had the same settings of the data, and its name; or None.

    Raises ``CheckpointError`` for a damaged record.
    """
    wanted = _decisive(to_dict(config))
    for trial in sorted(sweep.glob("trials/*")):
        try:
            settings = json.loads((trial / CONFIG).read_bytes())
        except (OSError, ValueError):
            continue
        if _decisive(settings) == wanted and (record := read_record(trial)):
            return record, str(trial)
    return None


def _decisive(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config["data"].items() if name not in _FREE}
