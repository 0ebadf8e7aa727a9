"""A sweep from its plan: draw values, train, note, tidy up, until all trials are made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from npformer.config import RunConfig
from npformer.errors import (
    CheckpointError,
    ConfigError,
    CorpusError,
    NonFiniteError,
    TokenizerError,
)
from npformer.files.atomic import clean_up, remove_directory
from npformer.sweep.pictures import draw_pictures
from npformer.sweep.plan import (
    JOURNAL,
    PLAN,
    ObjectiveName,
    Sampler,
    SweepPlan,
    check_same_sweep,
    read_plan,
)
from npformer.sweep.result import Trial, Trials
from npformer.sweep.same_data import same_data
from npformer.sweep.space import configure, show
from npformer.sweep.table import TABLES, markdown, write_tables
from npformer.train.engine import Engine
from npformer.train.run import run_training
from npformer.train.run_directory import averaged_path, checkpoints, prune
from npformer.train.run_lock import sole_writer

if TYPE_CHECKING:
    from npformer.sweep.study import Study

MakeEngine = Callable[[RunConfig], Engine]


class SweepResult(Trials):
    """What a sweep found; printed, or at the end of a notebook's cell, it is the table."""

    def __str__(self) -> str:
        return markdown(self)

    def _repr_markdown_(self) -> str:
        return str(self)


def sweep(
    directory: str | Path,
    base: RunConfig,
    over: Mapping[str, Any] | Sequence[str],
    *,
    trials: int = 0,
    sampler: Sampler | None = None,
    objective: ObjectiveName = "loss",
    resume: bool = False,
    make_engine: MakeEngine | None = None,
    console: Console | None = None,
) -> SweepResult:
    """Train ``base`` with the fields of ``over`` varied, one run a trial, all in ``directory``.

    ``over`` maps ``part.field`` to a list of values, ``"low..high"`` or ``"log:low..high"`` (see
    ``space.py``). ``sampler`` is ``grid`` (each combination once; the default where all values are
    listed), ``random`` or ``tpe``, optuna's tree-structured Parzen estimator, which draws its first
    ten trials at random and later ones near good ones; ``base.train.seed`` decides every draw.
    ``trials`` is their number, 0 for the whole grid. ``objective`` is the ``loss`` on the
    validation pairs, without smoothing, to be low, or ``bleu`` to be high, at the end of a run.
    ``make_engine`` is as in ``run_training``.

    A trial whose values do not go together, or whose loss is not finite, has failed: the table says
    why, and the sweep continues. Only the best trial keeps weights. Interrupted, it continues with
    the same arguments and ``resume``; a larger ``trials`` then makes it longer.

    Raises ``ConfigError`` for a sweep that cannot be, ``CheckpointError`` for a directory that
    holds another one, none to resume, or one that another process makes, and for a corpus that has
    changed since earlier trials; and what ``run_training`` raises for the data.
    """
    directory, console = Path(directory), console or Console()
    plan = SweepPlan.of(base, over, trials=trials, sampler=sampler, objective=objective)
    # Imported first: without optuna, nothing is written.
    from npformer.sweep.study import Study

    with sole_writer(directory, "sweep"):
        _open(directory, plan, resume)
        study = Study(directory, plan)
        try:
            interrupted = _run_all(study, make_engine, console)
        except BaseException:
            if not resume and not (directory / "trials").exists():
                _discard(directory)  # the data, or a setting, was wrong from the start
            raise
        result = SweepResult(directory, plan, tuple(study.trials()), interrupted)
        write_tables(result)
        draw_pictures(result)
        return result


def _run_all(study: Study, make_engine: MakeEngine | None, console: Console) -> bool:
    """Make every trial that is left; whether it was interrupted."""
    try:
        while (trial := study.next()) is not None:
            place = f"{trial.number + 1} of {study.plan.trials}"
            settings = "  ".join(f"{name} {show(value)}" for name, value in trial.values.items())
            _say(console, f"trial {trial.number:04d} ({place}): {settings}")
            if not _make(study, trial, make_engine, console):
                return True
            _tidy(study)
            write_tables(Trials(study.directory, study.plan, tuple(study.trials())))
    except KeyboardInterrupt:  # while no run was training, or the second Ctrl-C in one
        return True
    return False


def _make(study: Study, trial: Trial, make_engine: MakeEngine | None, console: Console) -> bool:
    """Train ``trial`` and note how it ended; False if it was interrupted."""
    if earlier := _earlier(study, trial):
        if earlier.state == "finished":
            study.finish(dict(earlier.results), same_as=earlier.number)
        else:
            study.fail(earlier.reason, same_as=earlier.number)
        return True
    # Data that no trial's values touch is wrong for all of them, and ends the sweep.
    blamed: tuple[type[Exception], ...] = (NonFiniteError, MemoryError)
    if any(name.startswith("data.") for name in trial.values):
        blamed += (ConfigError, CorpusError, TokenizerError)
    try:
        config = configure(study.plan.base, trial.values)
    except ConfigError as error:
        return _failed(study, str(error), console)
    try:
        run = run_training(
            config,
            trial.directory,
            resume=bool(checkpoints(trial.directory)),
            make_engine=make_engine,
            same_data=same_data(study.directory, config),
            console=console,
        )
    except blamed as error:
        return _failed(study, str(error) or "not enough memory", console)
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # PyTorch's, of the GPU
            raise
        return _failed(study, str(error), console)
    if run.interrupted:
        return False
    results = {
        **(run.validation or {}),
        "updates": run.position.update,
        "tokens": run.position.tokens,
        "seconds": run.position.seconds,
    }
    if not math.isfinite(results.get("validation_loss", math.nan)):
        return _failed(study, "the validation loss is not finite", console)
    study.finish(results)
    return True


def _failed(study: Study, reason: str, console: Console) -> bool:
    reason = " ".join(reason.split())
    study.fail(reason)
    _say(console, f"failed: {reason}")
    return True


def _say(console: Console, text: str) -> None:
    console.print(escape(text), highlight=False, soft_wrap=True)


def _earlier(study: Study, trial: Trial) -> Trial | None:
    """A trial of the same values that has ended: training is repeatable, so its end is known."""
    for other in study.trials():
        if other.state != "unfinished" and other.values == trial.values and other.same_as is None:
            return other
    return None


def _tidy(study: Study) -> None:
    """Leave weights in the best trial's run alone, of these the last, the best and the average."""
    trials = tuple(study.trials())
    best = SweepResult(study.directory, study.plan, trials).best
    for trial in trials:
        if trial.state == "unfinished" or not trial.directory.is_dir():
            continue
        clean_up(trial.directory)
        if best is not None and trial.number == best.number:
            prune(trial.directory, max(checkpoints(trial.directory), default=0), keep=1, every=1)
        else:
            remove_directory(trial.directory / "checkpoints")
            remove_directory(averaged_path(trial.directory))


def _open(directory: Path, plan: SweepPlan, resume: bool) -> None:
    """Check the directory and write the plan."""
    if resume:
        check_same_sweep(directory, read_plan(directory), plan)
    elif (directory / PLAN).exists():
        raise CheckpointError(
            f"{directory} already holds a sweep: resume it, or sweep in another directory"
        )
    try:
        clean_up(directory)
        plan.write(directory)
    except OSError as error:
        raise CheckpointError(
            f"cannot write into the sweep's directory {directory}: {error.strerror}"
        ) from error


def _discard(directory: Path) -> None:
    for name in (PLAN, JOURNAL, *TABLES):
        (directory / name).unlink(missing_ok=True)
