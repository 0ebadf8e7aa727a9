"""``npformer baseline``: MarianMTModel trained and scored as the twin is, for comparison."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console

from npformer.cli.arguments import UsageError
from npformer.cli.evaluate import Command as Evaluate
from npformer.cli.figures import STANDARD_OUTPUT, reporter
from npformer.cli.settings import as_config, changed_options, check_optimizer_options
from npformer.cli.train import INTERRUPTED
from npformer.cli.train import Command as Train
from npformer.config import RunConfig
from npformer.decode.rollout import EXTRA_LENGTH
from npformer.errors import counted, require
from npformer.text.tokenizer import EOS, Tokenizer
from npformer.train.engines import Loaded
from npformer.train.run import run_training
from npformer.train.run_directory import load_checkpoint

TWIN_ALONE = ("--loss-chunk", "--parallel", "--tensorboard")
"""Options of ``train`` that apply to the twin only."""


@dataclass(frozen=True)
class Command(Train):
    """Train Hugging Face's MarianMTModel as a baseline for the twin, and score it.

    The same architecture and number of parameters, corpus, tokenizer, batches in the same order,
    loss, optimizer, schedule, precision, checkpoints and their average: the options are those of
    npformer train, with the same meaning. Only the model differs, and draws its own initial
    weights: from N(0, 0.02^2) unless --model.init-std says otherwise. Afterwards the validation
    pairs are translated and scored as by npformer evaluate, with npformer's own beam search over
    Marian's own key/value cache, and with --generate once more by Hugging Face's. It needs the
    extra marian.

    Examples:
      npformer baseline runs/marian --preset small --corpus pairs.tsv.xz --precision bf16
      npformer baseline runs/marian --resume --generate
    """

    beam: int = 4
    """Hypotheses kept at each step while scoring; 1 is greedy decoding."""
    alpha: float = 0.6
    """Strength of the length penalty while scoring."""
    limit: int = 0
    """Score only the first so many pairs; 0 is all of them."""
    generate: tyro.conf.FlagCreatePairsOff[bool] = False
    """Score the translations of Hugging Face's own beam search too."""
    json: Path | None = None
    """Also write the scores to this file; those of --generate go beside it, to .generate.json."""

    def __call__(self) -> int:
        """The exit status; raises ``UsageError`` for options that do not apply to Marian."""
        if idle := [option for option in changed_options(self) if option in TWIN_ALONE]:
            raise UsageError(f"{', '.join(idle)}: applies to the twin only; leave it out here")
        check_optimizer_options(self)
        if self.adapters.lora:
            raise UsageError("--lora: Marian is trained whole; leave it out here")
        if self.train.checkpoint_activations:
            raise UsageError("--checkpoint-activations: Marian keeps all; leave it out here")
        if self.generate and self.json == STANDARD_OUTPUT:
            raise UsageError("--generate writes two files; name the first with --json FILE")
        require("torch", "transformers", extra="marian")
        scoring = Evaluate(
            run=self.run,
            limit=self.limit,
            beam=self.beam,
            alpha=self.alpha,
            json=self.json,
            quiet=self.quiet,
        )
        console = reporter(self.json, self.quiet, makes=self.run)
        config = as_config(self)
        # It is PyTorch that trains: what the checkpoints and the picture say of the engine.
        config = dataclasses.replace(
            config, train=dataclasses.replace(config.train, engine="torch")
        )
        result = run_training(
            config,
            self.run,
            resume=self.resume,
            make_engine=lambda final: baseline_engine(final, console),
            console=console,
        )
        if result.interrupted:
            console.print(f"continue with   npformer baseline {self.run} --resume", highlight=False)
            return INTERRUPTED
        position = result.position
        console.print(
            f"{counted(position.update, 'update')}, {position.tokens:,} target tokens, "
            f"{position.seconds / 60:.1f} minutes",
            highlight=False,
        )
        return self._score(scoring, console)

    def _score(self, scoring: Evaluate, console: Console) -> int:
        checkpoint, warning = load_checkpoint(self.run)
        if warning:
            console.print(f"warning: {warning}", highlight=False, markup=False, soft_wrap=True)
        engine = baseline_engine(checkpoint.config)
        engine.restore({f"model/{name}": array for name, array in checkpoint.weights.items()})
        tokenizer = Tokenizer.load(checkpoint.tokenizer_path)
        loaded = Loaded(engine.model, tokenizer, checkpoint.config, checkpoint)
        scoring.report(loaded)
        if self.generate:
            console.print("\nand by Hugging Face's generate:", highlight=False)
            if self.json:
                scoring = dataclasses.replace(scoring, json=self.json.with_suffix(".generate.json"))
            longest = checkpoint.config.model.max_length

            def search(source: Any) -> list[list[int]]:
                room = min(source.shape[1] + EXTRA_LENGTH, longest)
                return engine.generate(
                    source, num_beams=self.beam, eos_token_id=EOS, max_new_tokens=room
                )

            scoring.report(loaded, search)
        return 0


def baseline_engine(config: RunConfig, console: Console | None = None) -> Any:
    """The engine of MarianMTModel; its parameters are counted on ``console``."""
    from npformer.bench.marian import MarianEngine

    engine = MarianEngine(config)
    if console is not None:
        console.print(
            f"MarianMTModel on {engine.device}: {config.model.shape}, "
            f"{engine.parameter_count:,} parameters",
            highlight=False,
            soft_wrap=True,
        )
    return engine
