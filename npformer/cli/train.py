"""``npformer train``: a run from the command line, on either engine."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from npformer.cli.arguments import UsageError, parse
from npformer.cli.common import recommended, what_to_try
from npformer.cli.figures import reporter, write_figures
from npformer.cli.settings import (
    DEFAULT_FAMILY,
    DEFAULT_PRESET,
    as_config,
    as_options,
    begun_config,
    check_begun_options,
    check_optimizer_options,
    check_twin_options,
    named_config,
    word_of,
)
from npformer.config import (
    AdapterConfig,
    DataConfig,
    ModelConfig,
    OptimConfig,
    PreferenceConfig,
    RunConfig,
    TrainConfig,
    TwinConfig,
)
from npformer.errors import NpformerError, counted
from npformer.files.manifest import CONFIG
from npformer.presets import run_preset
from npformer.pretrained.beginning import read_beginning
from npformer.train.checkpoint import open_checkpoint
from npformer.train.engines import joined_ranks
from npformer.train.loop import TrainResult
from npformer.train.ranks import Ranks
from npformer.train.run import run_training
from npformer.train.run_config import run_config
from npformer.train.run_directory import checkpoints, latest_checkpoint, recommendation
from npformer.train.run_log import Listener

INTERRUPTED = 130


@dataclass(frozen=True)
class Command:
    """Train a model that translates, goes on with text or fills it in, and keep all that it leaves.

    Checkpoints, metrics and the loss curve go into a directory.

    A preset sets everything, and each option changes one thing. Options of the data, of the run and
    of the twin have plain names; those of the model and of the optimizer begin with --model. and
    --optim. The defaults below are those of the preset: npformer train --preset small --help shows
    small's.

    Ctrl-C saves and stops, and --resume continues as if nothing had happened, with the same
    settings; a larger --updates makes a finished run longer. Only how long, how often, how the twin
    runs, and where the corpus is may change then: other pairs than the run's are refused.

    --from begins with a model that was trained before: one that npformer load reads, but for
    encoders without a head that predicts tokens, or a run. Its weights, its settings and its
    tokenizer are the new run's; the settings of training are those for fine-tuning unless there is
    a preset.

    --prefer learns from answers that somebody judged, in place of the next token: the corpus is a
    file of JSON lines, and what the model was at the beginning is what it is compared with.
    Validation says how often the answer that was chosen has the larger reward.

    At the end stands which checkpoint the commands use that are given the directory: the last, the
    best or the mean of the last few, by the loss on the validation pairs, each with its figures.

    On many GPUs, torchrun starts the same command with --engine torch:
    torchrun --nproc-per-node 8 -m torch_ref.train RUN [OPTIONS].

    Examples:
      npformer train runs/first                                     tiny, built-in grammar, NumPy
      npformer train runs/real --preset small --corpus pairs.tsv.xz
      npformer train runs/twin --preset small --corpus pairs.tsv.xz --engine torch --precision bf16
      npformer train runs/pre --model.norm pre --optim.warmup 1000 --updates 4000
      npformer train runs/gpt --model gpt --model.layers 2          a language model of the target
      npformer train runs/bert --model bert --corpus texts.txt      hidden words of whole texts
      npformer train runs/few --lora 8 --lora-targets all           adapters alone, weights frozen
      npformer train runs/tuned --from downloads/SmolLM2-135M --lora 8 --corpus texts.txt
      npformer train runs/dpo --from runs/gpt --prefer dpo --corpus pairs.jsonl
      npformer train runs/real --resume
    """

    run: tyro.conf.Positional[Path]
    """Directory for all that the run leaves; a new one, or an old one with --resume."""
    preset: str = DEFAULT_PRESET
    """Model and settings: `tiny`, `small`, `base`, `big`, `nano`, `mini`, `wmt14-base` or
    `wmt14-big`."""
    source: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """Begin with the model in this directory or GGUF file, or with that of a run."""
    resume: tyro.conf.FlagCreatePairsOff[bool] = False
    """Continue from the newest checkpoint in the directory."""
    json: Path | None = None
    """Also write what the run came to, to this file; - is standard output."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but warnings and errors."""
    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    train: Annotated[TrainConfig, tyro.conf.arg(name="")] = field(default_factory=TrainConfig)
    twin: Annotated[TwinConfig, tyro.conf.arg(name="")] = field(default_factory=TwinConfig)
    adapters: Annotated[AdapterConfig, tyro.conf.arg(name="")] = field(
        default_factory=AdapterConfig
    )
    preferences: Annotated[PreferenceConfig, tyro.conf.arg(name="")] = field(
        default_factory=PreferenceConfig
    )
    family: Annotated[str, tyro.conf.arg(name="model")] = DEFAULT_FAMILY
    """Family of models, by the name of its file in npformer/models; --model.* are its settings."""
    model: ModelConfig = field(default_factory=lambda: named_config(()).model)
    optim: OptimConfig = field(default_factory=OptimConfig)

    @classmethod
    def default(cls, arguments: Sequence[str]) -> Command:
        """What the options change: the named preset, or with --resume the run's own settings.

        Raises ``UsageError`` for both together, ``CheckpointError`` if there is none to resume.
        """
        preset, family = word_of(arguments, "--preset"), word_of(arguments, "--model")
        source = word_of(arguments, "--from")
        if "--resume" not in arguments:
            config = begun_config(arguments, source) if source else named_config(arguments)
            return cls._of(config)
        if source is not None:
            raise UsageError("--resume continues with the run's own weights; leave --from out")
        if preset is not None:
            raise UsageError("--resume continues with the run's own settings; leave --preset out")
        # What an option may be depends on the run, and which word is the run needs the options.
        likely = next(filter(None, map(_config_at, arguments)), None)
        if likely is None or family not in (None, likely.model.family):
            likely = run_preset(DEFAULT_PRESET, family)
        run = parse(cls, "npformer train", arguments, default=cls._of(likely)).run
        path, _ = latest_checkpoint(run)
        config = open_checkpoint(path).config
        if family not in (None, config.model.family):
            raise UsageError(
                f"--model is {family!r}, and {run} was trained with {config.model.family!r}: leave "
                "--model out"
            )
        return cls._of(config)

    @classmethod
    def _of(cls, config: RunConfig) -> Command:
        return cls(run=tyro.MISSING, preferences=config.preferences, **as_options(config))

    @property
    def _config(self) -> RunConfig:
        return dataclasses.replace(as_config(self), preferences=self.preferences)

    def __call__(self) -> int:
        check_twin_options(self)
        check_optimizer_options(self)
        if self.source is not None:
            check_begun_options(self._config, self.source)
        with joined_ranks(self._config) as (ranks, restarted):
            return self._train(ranks, restarted)

    def _train(self, ranks: Ranks, restarted: bool) -> int:
        resume = self.resume or (restarted and bool(checkpoints(self.run)))
        first = ranks.rank == 0
        console = reporter(self.json, self.quiet or not first, makes=self.run)
        beginning = None
        if self.source is not None and not resume:
            languages = (self.data.source_language, self.data.target_language)
            beginning = read_beginning(self.source, self.train.dtype, *languages)
        with _listeners(self, first) as listeners:
            result = run_training(
                self._config,
                self.run,
                resume=resume,
                beginning=beginning,
                ranks=ranks,
                listeners=listeners,
                console=console,
            )
        _report(result, self.model, console)
        if first:
            write_figures(self.json, "train", _figures(result))
        return INTERRUPTED if result.interrupted else 0


def _config_at(word: str) -> RunConfig | None:
    """The settings of the run in that directory; None for a word that names no run."""
    try:
        return run_config(json.loads((Path(word) / CONFIG).read_bytes()))
    except (OSError, ValueError, NpformerError):
        return None


@contextmanager
def _listeners(command: Command, first: bool) -> Iterator[list[Listener]]:
    if not (first and command.twin.tensorboard and command.train.engine == "torch"):
        yield []
        return
    from torch_ref.train.tensorboard import TensorBoard

    with closing(TensorBoard(command.run)) as board:
        yield [board]


def _report(result: TrainResult, model: ModelConfig, console: Console) -> None:
    run, position = result.directory, result.position
    lines = [
        f"{counted(position.update, 'update')}, {position.tokens:,} target tokens, "
        f"{position.seconds / 60:.1f} minutes",
        *recommended(run),
        f"loss curve   {run / 'loss.png'}",
    ]
    if result.interrupted:
        lines.append(f"continue with   npformer train {run} --resume")
    else:
        lines.append(f"try          {what_to_try(model, run)}")
    console.print("\n".join(lines), highlight=False, soft_wrap=True, markup=False)


def _figures(result: TrainResult) -> dict[str, Any]:
    candidates = recommendation(result.directory).candidates
    return {
        "run": result.directory,
        "update": result.position.update,
        "tokens": result.position.tokens,
        "seconds": result.position.seconds,
        "checkpoints": [
            {"path": one.path, "what": one.what, "validation_loss": one.loss, "bleu": one.bleu}
            for one in candidates
        ],
        "interrupted": result.interrupted,
        "validation": result.validation,
    }
