"""What a run leaves on disk, and how to find the checkpoint that one wants in it.

RUN/config.json  metrics.jsonl  loss.png
RUN/corpus.json  validation.jsonl  what it was trained on (``data_record.py``)
RUN/references.safetensors         of judged answers, what the model began with (``references.py``)
RUN/checkpoints/update-00000500/   every ``checkpoint_every`` updates, the newest few and the best
RUN/averaged/                      the mean of the newest few, at the end
RUN/lock                           while it trains (``run_lock.py``)
"""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import NamedTuple

from npformer.errors import CheckpointError, counted
from npformer.files.atomic import remove_directory
from npformer.files.manifest import CONFIG, MANIFEST, MODEL
from npformer.train.checkpoint import Checkpoint, open_checkpoint, read_checkpoint
from npformer.train.metrics import read_metrics
from npformer.train.recommend import Recommendation, best_of, recommend

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
    raise CheckpointError(
        f"{run} has no checkpoint yet; leave --resume out, and the run begins again"
    )


class Resolved(NamedTuple):
    """The checkpoint that a path stands for."""

    path: Path
    warning: str = ""
    """What is wrong with those that would have been better; or ""."""
    why: str = ""
    """What it is among those of its run, and why it was chosen; "" for one that was named."""


def recommendation(run: Path) -> Recommendation:
    """Which of the run's checkpoints to use; whether they are whole is not checked."""
    averaged = averaged_path(run)
    return recommend(list(checkpoints(run).values()), averaged if averaged.is_dir() else None)


def resolve(path: Path) -> Resolved:
    """The checkpoint to translate with, for a run's directory or a checkpoint's own.

    Of a run: the one that ``recommend.py`` recommends; if that is damaged, the next one, with a
    warning. Raises ``CheckpointError``.
    """
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise CheckpointError(
            f"{path} {what}; give the directory of a run, or of one of its checkpoints"
        )
    if any((path / name).exists() for name in (MANIFEST, MODEL)):
        return Resolved(path)
    advice = recommendation(path)
    if not advice.candidates:
        known = f"; training has saved no checkpoint in {path} yet" if is_run(path) else ""
        raise CheckpointError(f"{path} holds neither a run's checkpoints nor a checkpoint{known}")
    preferred = [candidate.path for candidate in advice.candidates]
    others = [other for other in reversed(checkpoints(path).values()) if other not in preferred]
    damage: list[str] = []
    for found in (*preferred, *others):
        try:
            open_checkpoint(found)
        except CheckpointError as error:
            damage.append(str(error))
            continue
        warning = f"{'; '.join(damage)}; using {found} instead" if damage else ""
        return Resolved(found, warning, advice.why(found))
    raise CheckpointError(f"{path} has no whole checkpoint: {'; '.join(damage)}")


def load_checkpoint(path: str | Path) -> tuple[Checkpoint, str]:
    """``resolve`` and read, without the optimizer: what inference needs, and a warning or ""."""
    found = resolve(Path(path))
    return dataclasses.replace(read_checkpoint(found.path), why=found.why), found.warning


def run_of(checkpoint: Path) -> Path:
    """The run's directory that a checkpoint lies in, if it lies in one."""
    parent = checkpoint.absolute().parent
    return parent.parent if parent.name == "checkpoints" else parent


def is_run(path: Path) -> bool:
    """Whether training was ever started in ``path``."""
    return (path / CONFIG).exists() or (path / "checkpoints").is_dir()


def begun(run: Path) -> int:
    """How many updates a run made that ended before its first checkpoint; 0 if none began.

    Raises ``CheckpointError`` if the metrics are those of a run that had checkpoints: they were
    deleted, and the metrics are all that is left of it.
    """
    lines = read_metrics(run / METRICS)
    if not lines:
        return 0
    last = lines[-1]["update"]
    try:
        train = json.loads((run / CONFIG).read_bytes())["train"]
        first = min(train["checkpoint_every"], train["updates"])
    except (OSError, ValueError, KeyError, TypeError):
        first = 0
    if last > first or any("averaged" in line for line in lines):
        raise CheckpointError(
            f"{run} holds the metrics of a run of {counted(last, 'update')} whose checkpoints were "
            "deleted: train in another directory, or delete this one"
        )
    return last


def prune(run: Path, update: int, *, keep: int, every: int) -> None:
    """After saving ``update``: delete all but the newest ``keep`` checkpoints, and the best.

    Only those at multiples of ``every``, and ``update`` itself, are counted and kept, so that an
    interrupted run ends with the same checkpoints, and the same average, as one that was not. The
    best is that of lowest validation loss. Those after ``update`` are left alone.
    """
    known = {u: path for u, path in checkpoints(run).items() if u <= update}
    regular = [path for u, path in known.items() if u % every == 0 or u == update]
    kept = {*regular[-keep:], best_of(regular)}
    for path in set(known.values()) - kept:
        remove_directory(path)


def _check_place(checkpoint: Checkpoint, update: int) -> None:
    """Raise ``CheckpointError`` if a whole checkpoint is not one to continue from at ``update``."""
    held = checkpoint.position.update
    if held != update:
        raise CheckpointError(f"{checkpoint.path} is damaged: by its state, it holds update {held}")
    if not checkpoint.optimizer:
        raise CheckpointError(f"{checkpoint.path} holds no optimizer, as if it were an average")
