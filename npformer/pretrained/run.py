"""A published model as a run that every command reads, and a run as the library's files again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from npformer.config import DataConfig, RunConfig, TrainConfig
from npformer.errors import CheckpointError
from npformer.files.array_file import write_arrays
from npformer.files.atomic import abandon_directory, begin_directory, finish_directory
from npformer.files.manifest import to_json
from npformer.pretrained.families import family_of
from npformer.pretrained.load import Pretrained
from npformer.pretrained.names import (
    ADDED_TOKENS,
    CONFIG,
    GENERATION,
    SPECIAL_TOKENS,
    TEMPLATE,
    TOKENIZER_CONFIG,
)
from npformer.pretrained.safetensors_directory import SINGLE
from npformer.pretrained.tensors import Exported
from npformer.text.published_tokenizer import PublishedTokenizer
from npformer.text.tokenizer import Tokenizer
from npformer.train.adapted import merged
from npformer.train.checkpoint import Checkpoint, Position, save_arrays, save_checkpoint

NOTE = "pretrained"
"""Under this, a checkpoint's state says what its model was published as."""
KEPT = (GENERATION, TOKENIZER_CONFIG, SPECIAL_TOKENS, ADDED_TOKENS, TEMPLATE)
"""Small files that a run keeps as they are, and an export writes again."""


def check_free(directory: Path) -> None:
    """Raise CheckpointError if there is something at ``directory`` already."""
    if directory.exists():
        raise CheckpointError(f"{directory} exists already; choose another, or delete it")


def save_run(
    found: Pretrained, tokenizer: Tokenizer, run: Path, data: DataConfig | None = None
) -> None:
    """Write a loaded model at ``run``, a checkpoint by itself, whole or not at all.

    ``data`` says the languages of its texts, where they are known. Raises CheckpointError if there
    is something at ``run`` already, or it cannot be written.
    """
    check_free(run)
    model = found.model
    dtype = str(model.parameters()[0].data.dtype)
    train = TrainConfig(dtype=dtype)  # type: ignore[arg-type]
    config = RunConfig(model=model.config, train=train, data=data or DataConfig())
    weights = {f"model/{path}": array for path, array in model.state_dict().items()}
    save_checkpoint(
        run,
        config,
        lambda directory: save_arrays(directory, weights),
        tokenizer.to_bytes(),
        Position(),
        pretrained=note_of(found),
    )


def note_of(found: Pretrained) -> dict[str, Any]:
    """What a checkpoint says of a model that was published, under ``NOTE``."""
    source = found.source
    files = {name: source.files[name].decode() for name in KEPT if name in source.files}
    return {"config": source.config, "files": files}


def generation_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """What the files of a loaded model say of generating; empty for a model of npformer's own.

    Older ones say it in their config.
    """
    note = checkpoint.notes.get(NOTE)
    if not isinstance(note, dict):
        return {}
    said = json.loads(note.get("files", {}).get(GENERATION, "{}"))
    return {**note["config"], **{name: value for name, value in said.items() if value is not None}}


def export(checkpoint: Checkpoint, tokenizer: Tokenizer, directory: Path) -> int:
    """Write a checkpoint as the library's files, whole or not at all; the number of tensors.

    Adapters are merged. Raises CheckpointError for a checkpoint whose model was not loaded from
    such files or has been changed into another since, and for a directory that exists.
    """
    note = checkpoint.notes.get(NOTE)
    if not isinstance(note, dict) or not isinstance(note.get("config"), dict):
        raise CheckpointError(
            f"{checkpoint.path} was not loaded from a published model, so there is no other form "
            "to write it in"
        )
    check_free(directory)
    checkpoint = merged(checkpoint)
    family = family_of(note["config"], checkpoint.path)
    entries = [
        entry._replace(theirs=tuple(map(family.file_name, entry.theirs)))
        for entry in family.entries(checkpoint.config.model)
    ]
    wanted = {path for entry in entries for path in entry.ours}
    for path in sorted(wanted ^ checkpoint.weights.keys()):
        raise CheckpointError(
            f"{checkpoint.path} {'lacks' if path in wanted else 'holds'} {path!r}, against what "
            "was published"
        )
    tensors = Exported(entries, checkpoint.weights)
    config = family.exported(note["config"]) | {"dtype": checkpoint.config.train.dtype}
    config.pop("torch_dtype", None)
    files = {name: text.encode() for name, text in note.get("files", {}).items() if name in KEPT}
    if isinstance(tokenizer, PublishedTokenizer):
        files |= tokenizer.published()
    try:
        temporary = begin_directory(directory)
        for name, content in {CONFIG: to_json(config), **files}.items():
            (temporary / name).write_bytes(content)
        write_arrays(temporary / SINGLE, tensors.forms(), tensors.__getitem__, format="pt")
        finish_directory(directory)
    except BaseException as error:
        abandon_directory(directory)
        if isinstance(error, OSError):
            raise CheckpointError(f"cannot write {directory}: {error.strerror or error}") from error
        raise
    return len(tensors)
