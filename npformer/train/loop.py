"""The training loop: data order, accumulation, schedule, scoring, logging and checkpoints.

It knows no engine, only the verbs of ``engine.py``. All that happens at an update is a function of
(seed, update) and of the weights before it, so a run that was stopped and resumed ends with the
same weights, bit for bit, as one that was not.

Chapter     walkthroughs/11_lockstep.md
"""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from npformer.config import RunConfig
from npformer.errors import CheckpointError, NonFiniteError, ShapeError
from npformer.optim import learning_rate
from npformer.train.atomic import remove_directory
from npformer.train.average import average_weights
from npformer.train.checkpoint import Checkpoint, Position, check_whole, save_checkpoint
from npformer.train.curve import draw_curve
from npformer.train.engine import Engine
from npformer.train.feed import BatchSource, Feed
from npformer.train.interruption import Interruption
from npformer.train.metrics import Metrics
from npformer.train.progress import Display
from npformer.train.run_directory import (
    METRICS,
    PICTURE,
    averaged_path,
    checkpoint_path,
    checkpoints,
    prune,
)
from npformer.train.validation import Validation


@dataclass(frozen=True)
class TrainResult:
    """How a run ended."""

    directory: Path
    position: Position
    """Where it stands: updates made, target tokens seen, seconds spent."""
    interrupted: bool
    """Stopped by Ctrl-C or SIGTERM; resuming goes on from the checkpoint."""
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
    console: Console | None = None,
) -> TrainResult:
    """Train ``engine`` until ``config.train.updates``, from the start or from ``resume``.

    ``tokenizer`` is the content of tokenizer.json, for the checkpoints. Raises ``NonFiniteError``
    for a loss or gradient that is not finite, after which the newest checkpoint is still the last
    good one, and ``CheckpointError`` if something cannot be saved. The first Ctrl-C or SIGTERM
    ends the run after the current update, with a checkpoint; a second one ends it at once.
    """
    done = resume.position if resume else Position()
    if resume:
        try:
            engine.restore(resume.engine_state())
        except ShapeError as error:
            raise CheckpointError(f"{resume.path} does not fit this run: {error}") from error
    with (
        Interruption() as stop,
        Display(config.train.updates, done.update, console) as display,
        Metrics(directory / METRICS, done.update) as metrics,
    ):
        run = _Run(config, directory, engine, tokenizer, validation, stop, display, metrics)
        return run.go(done, Feed(batches, done.epoch, done.index), resumed=resume is not None)


class _Run:
    def __init__(
        self,
        config: RunConfig,
        directory: Path,
        engine: Engine,
        tokenizer: bytes,
        validation: Validation | None,
        stop: Interruption,
        display: Display,
        metrics: Metrics,
    ) -> None:
        self.config, self.directory, self.engine = config, directory, engine
        self.tokenizer, self.validation = tokenizer, validation
        self.stop, self.display, self.metrics = stop, display, metrics
        self.position = Position()
        self.measured: dict[str, Any] | None = None
        self.began = time.monotonic()

    def go(self, position: Position, feed: Feed, *, resumed: bool) -> TrainResult:
        """Update until the end or until asked to stop; the latter leaves a checkpoint."""
        train = self.config.train
        self.position, self.feed = position, feed
        self.began -= position.seconds
        saved = position.update if resumed else None
        if position.update < train.updates:
            remove_directory(averaged_path(self.directory))  # of a run that was shorter
        if self._due(train.validate_every) and not self.metrics.has_validation(position.update):
            self._validate()  # the run was stopped before it came to this
        while self.position.update < train.updates and not self.stop.requested:
            self._update()
            if self._due(train.validate_every):
                self._validate()
            if self._due(train.checkpoint_every):
                self._save()
                saved = self.position.update
        if self.position.update != saved:
            self._save()
        averaged = None if self.stop.requested else self._average()
        self._draw()
        path = checkpoint_path(self.directory, self.position.update)
        if self.stop.requested:
            self.display.note(f"interrupted; update {self.position.update} is saved in {path}")
        return TrainResult(
            directory=self.directory,
            position=self.position,
            interrupted=self.stop.requested,
            checkpoint=path,
            averaged=averaged,
            validation=self.measured,
        )

    def _due(self, every: int) -> bool:
        update = self.position.update
        return update > 0 and (update % every == 0 or update == self.config.train.updates)

    def _update(self) -> None:
        """One update: gradients of its batches, summed, divided once by all their tokens."""
        train, update = self.config.train, self.position.update + 1
        began = time.monotonic()
        total, tokens = 0.0, 0
        for micro in range(train.accumulate):
            batch = self.feed.next()
            loss, count = self.engine.gradients(batch, (train.seed, update, micro))
            total, tokens = total + loss, tokens + count
        rate = learning_rate(self.config.optim, self.config.model.d_model, update, train.updates)
        try:
            norm = self._step(rate, tokens, total)
        except NonFiniteError as error:
            saved = self._saved()
            where = f"the last checkpoint is {saved[-1]}" if saved else "no checkpoint was saved"
            raise NonFiniteError(f"update {update}: {error}; {where}") from error
        now = time.monotonic()
        self.position = Position(
            update=update,
            epoch=self.feed.epoch,
            index=self.feed.index,
            tokens=self.position.tokens + tokens,
            seconds=now - self.began,
        )
        speed = tokens / max(now - began, 1e-9)
        self.metrics.write(
            update=update,
            time=round(self.position.seconds, 3),
            tokens=self.position.tokens,
            loss=total / tokens,
            learning_rate=rate,
            grad_norm=norm,
            tokens_per_s=round(speed, 1),
        )
        self.display.step(update, loss=total / tokens, learning_rate=rate, tokens_per_s=speed)

    def _step(self, rate: float, tokens: int, loss: float) -> float:
        """The engine's update; raises NonFiniteError, too, for a loss that is not finite."""
        if math.isfinite(loss):
            return self.engine.update(rate, tokens)
        # Only the engine can say which gradient is not finite, and says so when asked to use it.
        # Should all gradients be finite in spite of the loss, the step is taken back.
        before = self.engine.state()
        try:
            self.engine.update(rate, tokens)
        except NonFiniteError as error:
            raise NonFiniteError(f"the loss is {loss}: {error}") from error
        self.engine.restore(before)
        raise NonFiniteError(
            f"the loss is {loss} though every gradient is finite; the step was not taken. Try a "
            "lower learning rate or a longer warm-up"
        )

    def _validate(self) -> None:
        if not self.validation:
            return
        results = self.validation.measure(self.engine, lambda: self.stop.requested)
        if results:
            self.measured = results
            self.metrics.write(update=self.position.update, **results)
            self.display.validation(self.position.update, results)
            self._draw()

    def _save(self) -> None:
        train, update = self.config.train, self.position.update
        path = checkpoint_path(self.directory, update)
        state = self.engine.state()
        for name, array in state.items():
            if not np.isfinite(array).all():
                raise NonFiniteError(f"{name!r} is not finite after update {update}; not saved")
        self.position = dataclasses.replace(
            self.position, seconds=round(time.monotonic() - self.began, 3)
        )
        save_checkpoint(path, self.config, state, self.tokenizer, self.position)
        prune(self.directory, update, keep=train.keep, every=train.checkpoint_every)

    def _average(self) -> Path | None:
        """Save the mean of the last checkpoints, and how it does beside the last of them."""
        paths = self._saved()[-self.config.train.keep :]
        averaged = {f"model/{name}": array for name, array in average_weights(paths).items()}
        notes: dict[str, Any] = {"averaged": [path.name for path in paths]}
        if self.validation:
            last, own = self.measured, self.engine.state()
            last = last or self.validation.measure(self.engine, lambda: self.stop.requested)
            self.engine.restore({**own, **averaged})
            results = self.validation.measure(self.engine, lambda: self.stop.requested)
            self.engine.restore(own)
            if not last or not results:
                return None
            self.measured = last
            self.metrics.write(update=self.position.update, averaged=len(paths), **results)
            what = f"mean of the last {len(paths)} checkpoints"
            self.display.validation(self.position.update, results, what)
            notes |= results | {"last_validation_loss": last["validation_loss"]}
        path = averaged_path(self.directory)
        save_checkpoint(path, self.config, averaged, self.tokenizer, self.position, **notes)
        return path

    def _saved(self) -> list[Path]:
        """The whole checkpoints up to here, oldest first."""
        paths = []
        for update, path in checkpoints(self.directory).items():
            if update <= self.position.update:
                try:
                    check_whole(path)
                    paths.append(path)
                except CheckpointError as error:
                    self.display.note(f"warning: {error}")
        return paths

    def _draw(self) -> None:
        title = f"{self.directory.name}: {self.config.train.engine} engine"
        try:
            draw_curve(self.directory / METRICS, self.directory / PICTURE, title=title)
        except OSError as error:  # a picture is no reason to stop a run
            self.display.note(f"cannot draw {self.directory / PICTURE}: {error}")
