"""The sweep's memory: an optuna study in a journal file inside the sweep's directory.

Every draw is a function of (seed, trial number, trials before it), so that a sweep that was
stopped and resumed makes the same trials as one that was not.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from npformer.errors import CheckpointError
from npformer.sweep.plan import JOURNAL, SweepPlan
from npformer.sweep.result import State, Trial
from npformer.sweep.space import Axis, Choices, Value

_NAME = "sweep"
_STATES: dict[TrialState, State] = {TrialState.COMPLETE: "finished", TrialState.FAIL: "failed"}


class Study:
    """Hands out trials and keeps their results; each change is on disk when the call returns."""

    def __init__(self, directory: Path, plan: SweepPlan) -> None:
        """Open the study in ``directory``, or begin one; raises ``CheckpointError`` if damaged."""
        self.directory, self.plan = directory, plan
        path = directory / JOURNAL
        _drop_partial_line(path)
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # it would announce the new study
        try:
            self._study = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(path))),
                study_name=_NAME,
                direction="maximize" if plan.objective == "bleu" else "minimize",
                load_if_exists=True,
            )
            self.trials()
        except (ValueError, KeyError, AssertionError) as error:
            raise CheckpointError(f"{path} is damaged: {error}") from error
        finally:
            optuna.logging.set_verbosity(verbosity)

    def next(self) -> Trial | None:
        """The trial to train now: an unfinished one, else a new one; None when all are made."""
        known = self._study.get_trials(deepcopy=False)
        running = [trial for trial in known if trial.state == TrialState.RUNNING]
        if not running and len(known) >= self.plan.trials:
            return None
        number = running[0].number if running else len(known)
        self._study.sampler = self._sampler(number)
        # A trial that was cut off while it was drawn has some of its values; asking again for
        # those gives the stored ones.
        if running:
            self._drawn = optuna.trial.Trial(self._study, running[0]._trial_id)
        else:
            self._drawn = self._study.ask()
        values = {axis.field: _draw(self._drawn, axis) for axis in self.plan.axes}
        return Trial(number, values, "unfinished", self._run(number))

    def finish(self, results: dict[str, Any], same_as: int | None = None) -> None:
        """Note how the trial that ``next`` gave ended."""
        objective = results["bleu" if self.plan.objective == "bleu" else "validation_loss"]
        self._note(results=results, same_as=same_as)
        self._study.tell(self._drawn, float(objective))

    def fail(self, reason: str, same_as: int | None = None) -> None:
        """Note why the trial that ``next`` gave failed."""
        self._note(reason=reason, same_as=same_as)
        self._study.tell(self._drawn, state=TrialState.FAIL)

    def trials(self) -> list[Trial]:
        """Every trial so far, by number."""
        return [self._trial(frozen) for frozen in self._study.get_trials(deepcopy=False)]

    def _trial(self, frozen: FrozenTrial) -> Trial:
        names = [axis.field for axis in self.plan.axes]
        return Trial(
            number=frozen.number,
            values={name: frozen.params[name] for name in names if name in frozen.params},
            state=_STATES.get(frozen.state, "unfinished"),
            directory=self._run(frozen.number),
            objective=frozen.value if frozen.state == TrialState.COMPLETE else None,
            results=frozen.user_attrs.get("results") or {},
            reason=frozen.user_attrs.get("reason") or "",
            same_as=frozen.user_attrs.get("same_as"),
        )

    def _note(self, **notes: Any) -> None:
        for name, note in notes.items():
            if note is not None:
                self._drawn.set_user_attr(name, note)

    def _run(self, number: int) -> Path:
        return self.directory / "trials" / f"{number:04d}"

    def _sampler(self, number: int) -> BaseSampler:
        seed = self.plan.base.train.seed
        if self.plan.sampler == "grid":
            return _Grid(self.plan.axes, seed)
        drawn = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        return (
            RandomSampler(seed=drawn) if self.plan.sampler == "random" else TPESampler(seed=drawn)
        )


class _Grid(BaseSampler):
    """Every combination of listed values once, in an order drawn from the seed.

    Whatever the number of trials, the first of them are then a fair sample of the whole.
    """

    def __init__(self, axes: Sequence[Axis], seed: int) -> None:
        listed = [axis for axis in axes if isinstance(axis, Choices)]
        rows = list(itertools.product(*(axis.values for axis in listed)))
        order = np.random.default_rng(seed).permutation(len(rows))
        names = [axis.field for axis in listed]
        self._rows = [dict(zip(names, rows[i], strict=True)) for i in order]

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._rows[trial.number][param_name]


def _draw(trial: optuna.Trial, axis: Axis) -> Value:
    if isinstance(axis, Choices):
        return trial.suggest_categorical(axis.field, axis.values)
    if isinstance(axis.low, int) and isinstance(axis.high, int):
        return trial.suggest_int(axis.field, axis.low, axis.high, log=axis.log)
    return trial.suggest_float(axis.field, axis.low, axis.high, log=axis.log)


def _drop_partial_line(path: Path) -> None:
    """Cut off what a power cut left of a last line: the next one would be glued to it."""
    if not path.exists():
        return
    content = path.read_bytes()
    if (whole := content.rfind(b"\n") + 1) < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)
