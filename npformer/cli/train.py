"""``npformer train``: a run from the command line, on either engine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.console import Console

from npformer.cli.arguments import UsageError, parse
from npformer.cli.settings import (
    DEFAULT_PRESET,
    ModelOptions,
    as_config,
    as_options,
    check_twin_options,
    preset_config,
    preset_of,
)
from npformer.config import DataConfig, OptimConfig, RunConfig, TrainConfig, TwinConfig
from npformer.models.transformer import Transformer
from npformer.plan.guard import check_fits
from npformer.plan.shape import DeviceKind
from npformer.train.checkpoint import open_checkpoint
from npformer.train.engine import Engine
from npformer.train.loop import Listener, TrainResult
from npformer.train.ranks import Alone, Ranks
from npformer.train.run import run_training
from npformer.train.run_directory import checkpoints, latest_checkpoint

INTERRUPTED = 130


@dataclass(frozen=True)
class Command:
    """Train a translation model; checkpoints, metrics and the loss curve go into a directory.

    A preset sets everything, and each option changes one thing. Options of the data, of the run and
    of the twin have plain names; those of the model and of the optimizer begin with --model. and
    --optim. The defaults below are those of the preset: npformer train --preset small --help shows
    small's.

    Ctrl-C saves and stops, and --resume goes on as if nothing had happened, with the same settings;
    a larger --updates makes a finished run longer. Only how long, how often, and how the twin runs
    may change then.

    On many GPUs, torchrun starts the same command with --engine torch:
    torchrun --nproc-per-node 8 -m torch_ref.train RUN [OPTIONS].

    Examples:
      npformer train runs/first                                     tiny, built-in grammar, NumPy
      npformer train runs/real --preset small --corpus pairs.tsv.xz
      npformer train runs/twin --preset small --corpus pairs.tsv.xz --engine torch --precision bf16
      npformer train runs/pre --model.norm pre --optim.warmup 1000 --updates 4000
      npformer train runs/real --resume
    """

    run: tyro.conf.Positional[Path]
    """Directory for all that the run leaves; a new one, or an old one with --resume."""
    preset: str = DEFAULT_PRESET
    """Model and settings: `tiny`, `small`, `base`, `big`, `wmt14-base` or `wmt14-big`."""
    resume: tyro.conf.FlagCreatePairsOff[bool] = False
    """Go on from the newest checkpoint in the directory."""
    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    train: Annotated[TrainConfig, tyro.conf.arg(name="")] = field(default_factory=TrainConfig)
    twin: Annotated[TwinConfig, tyro.conf.arg(name="")] = field(default_factory=TwinConfig)
    model: ModelOptions = field(default_factory=ModelOptions)
    optim: OptimConfig = field(default_factory=OptimConfig)

    @classmethod
    def default(cls, arguments: Sequence[str]) -> Command:
        """What the options change: the named preset, or with --resume the run's own settings."""
        preset = preset_of(arguments)
        command = cls._of(preset_config(preset))
        if "--resume" not in arguments:
            return command
        if preset is not None:
            raise UsageError("--resume goes on with the run's own settings; leave --preset out")
        run = parse(cls, "npformer train", arguments, default=command).run
        path, _ = latest_checkpoint(run)
        return cls._of(open_checkpoint(path).config)

    @classmethod
    def _of(cls, config: RunConfig) -> Command:
        return cls(run=tyro.MISSING, **as_options(config))

    def __call__(self) -> int:
        check_twin_options(self)
        if self.train.engine == "numpy":
            if os.environ.get("WORLD_SIZE", "1") != "1":
                raise UsageError(
                    "the NumPy engine trains in one process; under torchrun, add --engine torch"
                )
            return self._train(Alone())
        from torch_ref.train.place import Place
        from torch_ref.train.ranks import join

        with join(self.twin) as ranks:
            # A process that torchrun started in the place of one that failed goes on with its run.
            return self._train(ranks, restarted=Place.read().restarts > 0)

    def _train(self, ranks: Ranks, *, restarted: bool = False) -> int:
        resume = self.resume
        if checkpoints(self.run) and not resume:
            resume = restarted
            if not resume:
                raise UsageError(
                    f"{self.run} already holds a run; go on with it by --resume, or name another "
                    "directory"
                )
        first = ranks.rank == 0
        console = Console(quiet=not first)
        with _listeners(self, first) as listeners:
            result = run_training(
                as_config(self),
                self.run,
                resume=resume,
                make_engine=lambda config: make_engine(config, console, ranks),
                ranks=ranks,
                listeners=listeners,
                console=console,
            )
        _report(result, console)
        return INTERRUPTED if result.interrupted else 0


@contextmanager
def _listeners(command: Command, first: bool) -> Iterator[list[Listener]]:
    if not (first and command.twin.tensorboard and command.train.engine == "torch"):
        yield []
        return
    from torch_ref.train.tensorboard import TensorBoard

    with closing(TensorBoard(command.run)) as board:
        yield [board]


def make_engine(config: RunConfig, console: Console, ranks: Ranks | None = None) -> Engine:
    """The engine that the configuration names; both begin with the same weights for a seed."""
    train, model = config.train, config.model
    ranks = ranks or Alone()
    if train.engine == "torch":
        from torch_ref.train import TorchEngine

        _check_memory(config, ranks)
        rng, dtype = np.random.default_rng(train.seed), np.dtype(train.dtype)
        first = Transformer(model, rng=rng, dtype=dtype).state_dict()
        twin = TorchEngine(config, weights=first, ranks=ranks)
        engine: Engine = twin
        where, count = f"PyTorch on {_place(twin, ranks)}", twin.parameter_count
    else:
        from npformer.train.numpy_engine import NumpyEngine

        engine = NumpyEngine(config)
        where, count = f"NumPy on {train.workers} threads", engine.model.parameter_count()
    console.print(
        f"{where}: {model.encoder_layers}+{model.decoder_layers} layers of width {model.d_model}, "
        f"{model.heads} heads, {model.norm}-norm, {count:,} parameters",
        highlight=False,
        soft_wrap=True,
    )
    return engine


def _check_memory(config: RunConfig, ranks: Ranks) -> None:
    """Raise NpformerError if an update would need far more than there is."""
    from torch_ref.train.device import choose, free_memory

    device = choose(config.twin.device, ranks)
    if device.type == "cpu" and ranks.size > 1:
        return  # they share memory with who knows how many of the others
    kind: DeviceKind = "cuda" if device.type == "cuda" else "cpu"
    check_fits(config, free_memory(kind), ranks.size, device=kind)


def _place(twin: Any, ranks: Ranks) -> str:
    c = twin.config.twin
    words = [str(twin.device) if ranks.size == 1 else f"{ranks.size} ranks ({c.parallel})"]
    words += [c.precision] if c.precision != "full" else []
    words += ["compiled"] if c.compile else []
    return ", ".join(words)


def _report(result: TrainResult, console: Console) -> None:
    run, position = result.directory, result.position
    lines = [
        f"{position.update:,} updates, {position.tokens:,} target tokens, "
        f"{position.seconds / 60:.1f} minutes",
        f"checkpoint   {result.averaged or result.checkpoint}",
        f"loss curve   {run / 'loss.png'}",
    ]
    if result.interrupted:
        lines.append(f"go on with   npformer train {run} --resume")
    else:
        lines.append(f'try          npformer translate {run} "Some text."')
    console.print("\n".join(lines), highlight=False, soft_wrap=True, markup=False)
