"""``npformer sweep``: many runs that differ in a few settings, on either engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from npformer.cli.arguments import parse
from npformer.cli.common import what_to_try
from npformer.cli.figures import reporter, write_figures
from npformer.cli.settings import (
    DEFAULT_FAMILY,
    DEFAULT_PRESET,
    as_config,
    as_options,
    check_optimizer_options,
    check_twin_options,
    named_config,
    word_of,
)
from npformer.cli.train import INTERRUPTED
from npformer.config import (
    AdapterConfig,
    DataConfig,
    ModelConfig,
    OptimConfig,
    RunConfig,
    TrainConfig,
    TwinConfig,
)
from npformer.sweep.pictures import BEST, CURVES, EFFECTS
from npformer.sweep.plan import ObjectiveName, Sampler, read_plan
from npformer.sweep.run import SweepResult, sweep
from npformer.sweep.table import TABLES, as_dict, cells


@dataclass(frozen=True)
class Command:
    """Train once for each combination of some settings; leave a table and pictures.

    --over names a field and its values, and may be given several times. A field is a part of the
    configuration (model, optim, data or train) and a name from npformer train --help:

      --over model.heads=1,2,4,8                these values
      --over train.label_smoothing=0.0..0.2     any number in between
      --over optim.warmup=log:100..2000         the same, factor by factor
      --over model.norm=post,pre                words

    Every other setting is an option, as for npformer train. Repeat a sweep under several seeds
    (--over train.seed=0,1,2) before you believe a small difference.

    A trial that cannot be (heads that do not divide d_model) or whose loss is not finite is marked
    as failed, and the sweep continues. Ctrl-C saves and stops; the same command with --resume, or
    --resume alone, continues inside the trial that was cut off, and a larger --trials adds trials.

    The directory then holds table.csv, table.md and table.json; curves.png, effects.png and
    best.png; and in trials/ a run for each trial, of which only the best keeps its weights. All
    trials must have the same pairs: a corpus that changes in between ends the sweep.

    Examples:
      npformer sweep runs/heads --over model.heads=1,2,4,8 --updates 400
      npformer sweep runs/norm --over model.norm=post,pre --over optim.warmup=20,200 --updates 400
      npformer sweep runs/rate --over optim.learning_rate=log:1e-4..1e-2 --trials 20
      npformer sweep runs/rate --resume
    """

    directory: tyro.conf.Positional[Path]
    """Directory for all that the sweep leaves; a new one, or an old one with --resume."""
    over: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A field and its values, `part.field=a,b,c`, or a range, `low..high` or `log:low..high`."""
    trials: int = 0
    """How many trials in all; 0 is every combination of listed values."""
    sampler: Sampler | None = None
    """`grid` is the default where all values are listed, else `tpe`; or draws at `random`."""
    objective: ObjectiveName = "loss"
    """What makes a trial good: a low validation loss (without smoothing), or a high BLEU."""
    preset: str = DEFAULT_PRESET
    """What trials begin from: `tiny`, `small`, `base`, `big`, `nano`, `mini`, `wmt14-base` or
    `wmt14-big`."""
    resume: tyro.conf.FlagCreatePairsOff[bool] = False
    """Continue the sweep in the directory."""
    json: Path | None = None
    """Also write the table to this file; - is standard output."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but warnings and errors."""
    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    train: Annotated[TrainConfig, tyro.conf.arg(name="")] = field(default_factory=TrainConfig)
    twin: Annotated[TwinConfig, tyro.conf.arg(name="")] = field(default_factory=TwinConfig)
    adapters: Annotated[AdapterConfig, tyro.conf.arg(name="")] = field(
        default_factory=AdapterConfig
    )
    family: Annotated[str, tyro.conf.arg(name="model")] = DEFAULT_FAMILY
    """Family of models, by the name of its file in npformer/models; --model.* are its settings."""
    model: ModelConfig = field(default_factory=lambda: named_config(()).model)
    optim: OptimConfig = field(default_factory=OptimConfig)

    @classmethod
    def default(cls, arguments: Sequence[str]) -> Command:
        """What the options change: the named preset, or with --resume the sweep's own settings."""
        preset = word_of(arguments, "--preset")
        command = cls._of(named_config(arguments))
        if "--resume" not in arguments:
            return command
        plan = read_plan(parse(cls, "npformer sweep", arguments, default=command).directory)
        return dataclasses.replace(
            command if preset is not None else cls._of(plan.base),
            trials=plan.trials,
            sampler=plan.sampler,
            objective=plan.objective,
        )

    @classmethod
    def _of(cls, config: RunConfig) -> Command:
        return cls(directory=tyro.MISSING, **as_options(config))

    def __call__(self) -> int:
        check_twin_options(self)
        console = reporter(self.json, self.quiet, makes=self.directory)
        over: Sequence[str] = self.over
        if self.resume and not over:
            over = [str(axis) for axis in read_plan(self.directory).axes]
        halves = (word.partition("=")[0].strip().replace("-", "_") for word in over)
        of_optimizer = {half.removeprefix("optim.") for half in halves if half.startswith("optim.")}
        check_optimizer_options(self, of_optimizer)
        result = sweep(
            self.directory,
            as_config(self),
            over,
            trials=self.trials,
            sampler=self.sampler,
            objective=self.objective,
            resume=self.resume,
            console=console,
        )
        _report(result, self.model, console)
        write_figures(self.json, "sweep", {"directory": result.directory, **as_dict(result)})
        if result.interrupted:
            return INTERRUPTED
        return 0 if result.best else 1


def _report(result: SweepResult, model: ModelConfig, console: Console) -> None:
    titles, rows = cells(result)
    table = Table(box=box.SIMPLE_HEAD)
    for title in titles:
        table.add_column(title, justify="right" if title else "left", overflow="fold")
    notes = []
    for row in rows:
        # What failed may take a sentence to say, for which a table of numbers has no room.
        short, _, reason = row[-1].partition(": ") if titles[-1] == "" else (row[-1], "", "")
        notes += [f"{row[0]} failed: {reason}"] if reason else []
        table.add_row(*row[:-1], short)
    console.print(table, highlight=False, markup=False)
    where, best = result.directory, result.best
    lines = [*notes, f"table        {', '.join(str(where / name) for name in TABLES)}"]
    if best is None:
        lines.append("no trial has finished")
    else:
        lines += [
            f"pictures     {', '.join(str(where / name) for name in (CURVES, EFFECTS, BEST))}",
            f"best         {best.directory}",
        ]
    if result.interrupted:
        lines.append(f"continue with   npformer sweep {where} --resume")
    elif best is not None:
        lines.append(f"try          {what_to_try(model, best.directory)}")
    console.print("\n".join(lines), highlight=False, soft_wrap=True, markup=False)
