"""What a run leaves on disk, and how to find the checkpoint that one wants in it.

RUN/config.json  metrics.jsonl  loss.png
RUN/checkpoints/update-00000500/   every ``checkpoint_every`` updates, the newest few
RUN/averaged/                      the mean of these, at the end
"""

from __future__ import annotations

import re
from pathlib import Path

from npformer.errors import CheckpointError
from npformer.files.atomic import remove_directory
from npformer.files.manifest import CONFIG, MANIFEST, MODEL
from npformer.train.checkpoint import Checkpoint, open_checkpoint, read_checkpoint

METRICS, PICTURE = "metrics.jsonl", "loss.png"


def checkpoint_path(run: Path, update: int) -> Path:
    """``RUN/checkpoints/update-00000500`` for update 500."""
    return run / "checkpoints" / f"update-{update:08d}"


def averaged_path(run: Path) -> Path:
    """``RUN/averaged``."""
    return run / "averaged"


def checkpoints(run: Path) -> dict[int, Path]:
    """The run's checkpoints by update, oldest first; whether they are whole is not checked."""
    folder = run / "checkpoints"
    found = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        if match := re.fullmatch(r"update-(\d{8,})", path.name):
            found[int(match[1])] = path
    return dict(sorted(found.items()))


def latest_checkpoint(run: Path) -> tuple[Path, str]:
    """The run's newest whole checkpoint, and a warning if newer ones are damaged (else "").

    Raises ``CheckpointError`` if there is none.
    """
    damage: list[str] = []
    for update, path in reversed(checkpoints(run).items()):
        try:
            _check_place(open_checkpoint(path, optimizer=True), update)
        except CheckpointError as error:
            damage.append(str(error))
            continue
        return path, f"{'; '.join(damage)}; using {path} instead" if damage else ""
    if damage:
        raise CheckpointError(f"{run} has no whole checkpoint: {'; '.join(damage)}")
    raise CheckpointError(f"{run} has no checkpoint yet")


def resolve(path: Path) -> tuple[Path, str]:
    """The checkpoint to translate with, for a run's directory or a checkpoint's own.

    Of a run: its average, unless that did worse on the validation pairs than the last checkpoint
    (an average reaches back, which harms a short run); else its newest whole checkpoint. The
    second item is a warning, or "". Raises ``CheckpointError``.
    """
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise CheckpointError(
            f"{path} {what}; give the directory of a run, or of one of its checkpoints"
        )
    if any((path / name).exists() for name in (MANIFEST, MODEL)):
        return path, ""
    averaged = averaged_path(path)
    if not averaged.is_dir() and not checkpoints(path):
        known = f"; training has saved no checkpoint in {path} yet" if is_run(path) else ""
        raise CheckpointError(f"{path} holds neither a run's checkpoints nor a checkpoint{known}")
    if averaged.is_dir() and not (checkpoints(path) and _is_worse(averaged)):
        return averaged, ""
    return latest_checkpoint(path)


def load_checkpoint(path: str | Path) -> tuple[Checkpoint, str]:
    """``resolve`` and read, without the optimizer: what inference needs, and a warning or ""."""
    found, warning = resolve(Path(path))
    return read_checkpoint(found), warning


def is_run(path: Path) -> bool:
    """Whether training was ever started in ``path``."""
    return (path / CONFIG).exists() or (path / "checkpoints").is_dir()


def prune(run: Path, update: int, *, keep: int, every: int) -> None:
    """After saving ``update``: delete all but the newest ``keep`` checkpoints up to it.

    Only those at multiples of ``every``, and ``update`` itself, are counted and kept, so that an
    interrupted run ends with the same checkpoints, and the same average, as one that was not.
    """
    known = [u for u in checkpoints(run) if u <= update]
    kept = [u for u in known if u % every == 0 or u == update][-keep:]
    for old in set(known) - set(kept):
        remove_directory(checkpoint_path(run, old))


def _check_place(checkpoint: Checkpoint, update: int) -> None:
    """Raise ``CheckpointError`` if a whole checkpoint is not one to continue from at ``update``."""
    held = checkpoint.position.update
    if held != update:
        raise CheckpointError(f"{checkpoint.path} is damaged: by its state, it holds update {held}")
    if not checkpoint.optimizer:
        raise CheckpointError(f"{checkpoint.path} holds no optimizer, as if it were an average")


def _is_worse(averaged: Path) -> bool:
    notes = open_checkpoint(averaged).notes
    loss, last = notes.get("validation_loss"), notes.get("last_validation_loss")
    return loss is not None and last is not None and loss > last
