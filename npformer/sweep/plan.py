"""What a sweep was asked to do, as it stands in its directory, and what may change on resuming."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from npformer.config import RunConfig
from npformer.errors import CheckpointError, ConfigError, nearest
from npformer.fields import to_dict
from npformer.files.atomic import write_file
from npformer.sweep.same_data import has_record
from npformer.sweep.space import CHANGES_TOKENS, Axis, Choices, search_space
from npformer.train.run import ELSEWHERE
from npformer.train.run_config import run_config

Sampler = Literal["grid", "random", "tpe"]
ObjectiveName = Literal["loss", "bleu"]
PLAN, JOURNAL = "sweep.json", "study.journal"
MAY_CHANGE = {"engine", "workers", "checkpoint_every", "keep"}
"""Fields of ``TrainConfig`` that may differ when a sweep is resumed; so may the trials.

The place of the corpus may differ too if the trials so far have a record of their pairs
(``same_data.py``)."""


@dataclass(frozen=True)
class SweepPlan:
    """A sweep before it runs; ``SweepPlan.of`` checks it."""

    base: RunConfig
    """Every setting that is not swept."""
    axes: tuple[Axis, ...]
    trials: int
    sampler: Sampler
    objective: ObjectiveName

    @classmethod
    def of(
        cls,
        base: RunConfig,
        over: Mapping[str, Any] | Sequence[str],
        *,
        trials: int = 0,
        sampler: Sampler | None = None,
        objective: ObjectiveName = "loss",
    ) -> SweepPlan:
        """Raises ``ConfigError`` for anything that no sweep can do; see ``sweep``."""
        axes = search_space(over, type(base.model))
        listed = all(isinstance(axis, Choices) for axis in axes)
        sampler = sampler or ("grid" if listed else "tpe")
        for name, given, allowed in (
            ("sampler", sampler, get_args(Sampler)),
            ("objective", objective, get_args(ObjectiveName)),
        ):
            if given not in allowed:
                raise ConfigError(
                    f"{name} is {given!r}; choose one of {', '.join(allowed)}"
                    + nearest(str(given), allowed)
                )
        if trials < 0:
            raise ConfigError(f"trials is {trials}; it must be 0 (the whole grid) or more")
        ranges = [axis.field for axis in axes if not isinstance(axis, Choices)]
        if sampler == "grid" and ranges:
            raise ConfigError(
                f"a grid needs listed values, and {ranges[0]} has a range; list values, or choose "
                "the sampler random or tpe"
            )
        if sampler != "grid" and not trials:
            raise ConfigError(f"the sampler {sampler} draws for ever; say how many trials to run")
        if objective == "bleu" and not base.train.validation_pairs:
            raise ConfigError("the objective bleu needs validation_pairs to translate, and it is 0")
        if objective == "loss" and (tokens := CHANGES_TOKENS & {axis.field for axis in axes}):
            raise ConfigError(
                f"{min(tokens)} changes what a token is, so that losses for each token do not "
                "compare; choose the objective bleu"
            )
        plan = cls(base, axes, trials, sampler, objective)
        size = plan.grid_size()
        if sampler == "grid":
            plan = cls(base, axes, min(trials or size, size), sampler, objective)
        return plan

    def grid_size(self) -> int:
        """How many combinations the listed values have; 0 if a field has a range."""
        if not all(isinstance(axis, Choices) for axis in self.axes):
            return 0
        return math.prod(len(axis.values) for axis in self.axes if isinstance(axis, Choices))

    def write(self, directory: Path) -> None:
        """Put the plan into ``directory``. Raises OSError."""
        content = {
            "over": [str(axis) for axis in self.axes],
            "trials": self.trials,
            "sampler": self.sampler,
            "objective": self.objective,
            "config": to_dict(self.base),
        }
        write_file(directory / PLAN, (json.dumps(content, indent=2) + "\n").encode())


def read_plan(directory: Path) -> SweepPlan:
    """The plan of a sweep's directory; raises ``CheckpointError`` if it is missing or damaged."""
    path = directory / PLAN
    if not path.is_file():
        raise CheckpointError(f"there is no sweep to resume: {path} does not exist")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return SweepPlan.of(
            run_config(content["config"]),
            content["over"],
            trials=content["trials"],
            sampler=content["sampler"],
            objective=content["objective"],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged, or of another version: {error}") from error


def check_same_sweep(directory: Path, then: SweepPlan, now: SweepPlan) -> None:
    """Raise ``CheckpointError`` if the trials of ``now`` would not belong beside those of then."""

    def differ(name: str, one: Any, other: Any) -> CheckpointError:
        return CheckpointError(
            f"the sweep in {directory} has {name} = {one}, not {other}: resume with the same, or "
            "sweep in another directory"
        )

    for name in ("sampler", "objective"):
        if getattr(then, name) != getattr(now, name):
            raise differ(name, getattr(then, name), getattr(now, name))
    if then.axes != now.axes:
        one, other = ("; ".join(map(str, plan.axes)) for plan in (then, now))
        raise differ("over", one, other)
    swept = {axis.field for axis in now.axes}
    moved = ELSEWHERE | {"shards"} if has_record(directory) else set()
    before, after = to_dict(then.base), to_dict(now.base)
    for part, fields in before.items():
        for field, value in fields.items():
            name = f"{part}.{field}"
            free = name in swept or field in {"train": MAY_CHANGE, "data": moved}.get(part, ())
            if after[part][field] != value and not free:
                raise differ(name, repr(value), repr(after[part][field]))
