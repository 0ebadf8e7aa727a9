"""The training loop: data order, accumulation, schedule, scoring, logging and checkpoints.

It knows no engine, only the verbs of ``engine.py``. All that happens at an update is a function of
(seed, update) and of the weights before it, so a run that was stopped and resumed ends with the
same weights, bit for bit, as one that was not.

Of many ranks each runs this loop, in step, on its share of every batch; the first alone writes
and prints.

Chapter     walkthroughs/11_lockstep.md
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from npformer.config import RunConfig
from npformer.errors import CheckpointError, NonFiniteError, ShapeError, counted
from npformer.optim import learning_rate
from npformer.train.average import average_weights
from npformer.train.checkpoint import Checkpoint, Position, open_checkpoint
from npformer.train.engine import Engine
from npformer.train.feed import BatchSource, Feed
from npformer.train.interruption import Interruption
from npformer.train.ranks import Alone, Ranks
from npformer.train.run_checkpoints import RunCheckpoints
from npformer.train.run_directory import checkpoint_path
from npformer.train.run_log import Listener, RunLog
from npformer.train.validation import Validation


@dataclass(frozen=True)
class TrainResult:
    """How a run ended."""

    directory: Path
    position: Position
    """Where it stands: updates made, target tokens seen, seconds spent."""
    interrupted: bool
    """Stopped by Ctrl-C or SIGTERM; resuming continues from the checkpoint."""
    checkpoint: Path
    """The last checkpoint."""
    averaged: Path | None
    """The mean of the last few checkpoints; None if interrupted."""
    validation: dict[str, Any] | None
    """The last look at the validation pairs (``Validation.measure``), if there was one."""


def train(
    config: RunConfig,
    directory: Path,
    engine: Engine,
    batches: BatchSource,
    tokenizer: bytes,
    validation: Validation | None = None,
    *,
    resume: Checkpoint | None = None,
    notes: Mapping[str, Any] | None = None,
    ranks: Ranks | None = None,
    listeners: Sequence[Listener] = (),
    console: Console | None = None,
) -> TrainResult:
    """Train ``engine`` until ``config.train.updates``, from the start or from ``resume``.

    ``tokenizer`` is the content of tokenizer.json, for the checkpoints, and ``notes`` what they say
    besides. Each of ``listeners`` is called with every line of the metrics. Raises
    ``NonFiniteError`` for a loss or gradient that is not finite, after which the newest checkpoint
    is still the last good one, and ``CheckpointError`` if something cannot be saved. The first
    Ctrl-C or SIGTERM, on any rank, ends the run after the current update, with a checkpoint; a
    second one ends it at once.
    """
    ranks = ranks or Alone()
    done = resume.position if resume else Position()
    if resume:
        try:
            engine.restore(resume.engine_state())
        except ShapeError as error:
            raise CheckpointError(f"{resume.path} does not fit this run: {error}") from error
    first, share = ranks.rank == 0, (ranks.rank, ranks.size)
    with (
        Interruption() as stop,
        RunLog(
            config, directory, done.update, first=first, listeners=listeners, console=console
        ) as log,
        closing(
            Feed(batches, done.epoch, done.index, share=share, ahead=config.train.ahead)
        ) as feed,
    ):
        kept = RunCheckpoints(config, directory, engine, tokenizer, ranks, notes or {})
        run = _Run(config, directory, engine, feed, validation, ranks, kept, log, stop)
        return run.go(done, resumed=resume is not None)


class _Run:
    def __init__(
        self,
        config: RunConfig,
        directory: Path,
        engine: Engine,
        feed: Feed,
        validation: Validation | None,
        ranks: Ranks,
        kept: RunCheckpoints,
        log: RunLog,
        stop: Interruption,
    ) -> None:
        self.config, self.directory, self.engine, self.feed = config, directory, engine, feed
        self.validation, self.ranks = validation, ranks
        self.kept, self.log, self.stop = kept, log, stop
        self.stopping = False
        self.position = Position()
        self.measured: dict[str, Any] | None = None
        self.measured_at = 0  # the update
        self.began = time.monotonic()

    def go(self, position: Position, *, resumed: bool) -> TrainResult:
        """Update until the end or until asked to stop; the latter leaves a checkpoint."""
        train = self.config.train
        self.position = position
        self.began -= position.seconds
        saved = position.update if resumed else None
        if position.update < train.updates:
            self.kept.remove_average()
        if self._due(train.validate_every) and self._lacks_validation():
            self._validate()  # the run was stopped before it came to this
            if self.measured_at == position.update:
                self._save()  # the checkpoint says what it scored, as in a run not stopped
        while self.position.update < train.updates and not self._stopped():
            self._update()
            if self._due(train.validate_every):
                self._validate()
            if self._due(train.checkpoint_every):
                self._save()
                saved = self.position.update
        if self.position.update != saved:
            self._save()
        averaged = None if self._stopped() else self._average()
        self.log.draw()
        path = checkpoint_path(self.directory, self.position.update)
        if self._stopped():
            self.log.note(f"interrupted; update {self.position.update} is saved in {path}")
        return TrainResult(
            directory=self.directory,
            position=self.position,
            interrupted=self._stopped(),
            checkpoint=path,
            averaged=averaged,
            validation=self.measured,
        )

    def _due(self, every: int) -> bool:
        update = self.position.update
        return update > 0 and (update % every == 0 or update == self.config.train.updates)

    def _stopped(self) -> bool:
        """Whether to stop: what was agreed, and where there is nobody to agree with, at once."""
        return self.stopping or (self.ranks.size == 1 and self.stop.requested)

    def _lacks_validation(self) -> bool:
        return self.ranks.gather(not self.log.has_validation(self.position.update))[0]

    def _update(self) -> None:
        """One update: gradients of its batches, summed, divided once by all their tokens."""
        train, update = self.config.train, self.position.update + 1
        began, waited, work = time.monotonic(), self.feed.waited, 0.0
        for micro in range(train.accumulate):
            batch = self.feed.next()
            self.engine.gradients(batch, (train.seed, update, micro))
            work += self.engine.flops(batch) if self.engine.peak_flops else 0.0
        rate = learning_rate(self.config.optim, self.config.model.d_model, update, train.updates)
        try:
            step = self.engine.update(rate)
        except NonFiniteError as error:
            saved = self._saved()
            where = f"the last checkpoint is {saved[-1]}" if saved else "no checkpoint was saved"
            raise NonFiniteError(f"update {update}: {error}; {where}") from error
        work, stop = self.ranks.sum(work, float(self.stop.requested))
        self.stopping = stop > 0
        now = time.monotonic()
        seconds = max(now - began, 1e-9)
        self.position = Position(
            update=update,
            epoch=self.feed.epoch,
            index=self.feed.index,
            tokens=self.position.tokens + step.tokens,
            seconds=now - self.began,
        )
        peak = self.engine.peak_flops * self.ranks.size
        line = dict(
            update=update,
            time=round(self.position.seconds, 3),
            tokens=self.position.tokens,
            loss=step.mean,
            learning_rate=rate,
            grad_norm=step.norm,
            tokens_per_s=round(step.tokens / seconds, 1),
            waited=round((self.feed.waited - waited) / seconds, 4),
            memory=self.engine.memory(),
            **({"mfu": round(work / seconds / peak, 4)} if peak else {}),
        )
        self.log.step(line)

    def _validate(self) -> None:
        if not self.validation:
            return
        results = self.validation.measure(self.engine, self._stopped, self.ranks)
        if results:
            self.measured, self.measured_at = results, self.position.update
            self.log.validation(self.position.update, results)
            self.log.draw()

    def _save(self) -> None:
        seconds = round(time.monotonic() - self.began, 3)
        self.position = dataclasses.replace(self.position, seconds=seconds)
        scored = self.measured if self.measured_at == self.position.update else None
        self.kept.save(self.position, **(scored or {}))

    def _average(self) -> Path | None:
        """Save the mean of the last checkpoints, and how it does beside the last of them."""
        paths = self._saved()[-self.config.train.keep :]
        averaged = {f"model/{name}": array for name, array in average_weights(paths).items()}
        notes: dict[str, Any] = {"averaged": [path.name for path in paths]}
        if self.validation:
            last = self.measured
            last = last or self.validation.measure(self.engine, self._stopped, self.ranks)
            self.engine.restore(averaged)
            results = self.validation.measure(self.engine, self._stopped, self.ranks)
            self.engine.restore(open_checkpoint(paths[-1]).engine_state())
            if not last or not results:
                return None
            self.measured = last
            what = f"mean of the last {counted(len(paths), 'checkpoint')}"
            self.log.validation(self.position.update, results, what, averaged=len(paths))
            notes |= results | {"last_validation_loss": last["validation_loss"]}
        return self.kept.save_average(averaged, self.position, **notes)

    def _saved(self) -> list[Path]:
        """The whole checkpoints up to here, oldest first."""
        paths, damage = self.kept.whole(self.position.update)
        for error in damage:
            self.log.note(f"warning: {error}")
        return paths
