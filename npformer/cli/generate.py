"""``npformer generate``: a text goes on, by a model that reads no source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from npformer.cli.arguments import UsageError
from npformer.cli.common import (
    check_characters,
    check_reads,
    named,
    note,
    note_unknown,
    read_text,
    what_to_try,
)
from npformer.cli.figures import STANDARD_OUTPUT, reporter, write_figures
from npformer.decode import generate
from npformer.decode.speculate import Speculated, speculate
from npformer.errors import ConfigError
from npformer.models import family
from npformer.train.engines import EngineName, Loaded, load_model


@dataclass(frozen=True)
class Command:
    """Go on with a text: each token is drawn from the model's distribution.

    The text that it begins with comes from the command line or from --file; without one, the model
    begins by itself. What is printed is the text and what follows it; several --samples have a
    blank line between them. A text ends where the model ends it, after --max-length tokens, or
    where the model takes no more.

    Examples:
      npformer generate runs/gpt "Der Hund"
      npformer generate runs/names --samples 10 --temperature 0.7 --seed 1
      npformer generate runs/gpt --file begun.txt --top-k 40 --top-p 0.95 --max-length 200
      npformer generate runs/gpt "Der Hund" --temperature 0 --json -
      npformer generate runs/large "Der Hund" --draft runs/small    small proposes, large decides
    """

    run: tyro.conf.Positional[Path]
    """A run's directory, or one checkpoint in it."""
    text: tyro.conf.Positional[str] = ""
    """How the text begins."""
    file: Path | None = None
    """Begin with this UTF-8 file instead."""
    samples: int = 1
    """How many texts to write."""
    temperature: float = 1.0
    """Below 1 sharpens the distribution, above 1 flattens it; 0 takes the most probable token."""
    top_k: int = 0
    """Draw only from this many of the most probable tokens; 0 is all."""
    top_p: float = 1.0
    """Draw only from the most probable tokens that make up this much probability."""
    draft: Path | None = None
    """A run of a smaller model, with the same tokens, that proposes what comes next. The texts have
    the same distribution as without it, and take fewer steps of the large one."""
    ahead: int = 4
    """How many tokens the draft proposes at once."""
    seed: int = 0
    """Which draw."""
    max_length: int | None = None
    """Most tokens that are added; unless given, as many as the model takes."""
    engine: EngineName = "numpy"
    """The hand-written model, or the PyTorch twin; both read the same checkpoints."""
    json: Path | None = None
    """Also write texts and settings to this file; - is standard output, in place of the texts."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but the texts, warnings and errors."""

    def __call__(self) -> int:
        """The exit status; raises ``UsageError`` for options that are out of range or at odds.

        Raises ``ConfigError`` for a model that predicts no next token of a text.
        """
        if self.text and self.file is not None:
            raise UsageError("give the text on the command line or with --file, not both")
        if self.seed < 0:
            raise UsageError(f"--seed is {self.seed}; it must be 0 or more")
        reporter(self.json)  # refuses a file that cannot be, before any work
        loaded = load_model(self.run, self.engine)
        model, tokenizer, _, checkpoint = loaded
        check_reads(loaded)
        if "source" in model.streams:
            raise ConfigError(
                "this model reads a source, so it translates and does not go on with a text: "
                f"npformer translate {self.run}"
            )
        if not family(loaded.config.model.family).decodes:
            raise ConfigError(
                "this model sees the whole text and predicts no next token; try "
                + what_to_try(loaded.config.model, self.run)
            )
        prompt = self.text if self.file is None else read_text(self.file).rstrip("\n")
        check_characters(tokenizer, prompt)
        if not self.quiet:
            note_unknown(tokenizer, prompt)
        begun = tokenizer.prompt(prompt)
        rows, speculated = self._rows(loaded, begun)
        texts = [tokenizer.decode([*begun, *row]) for row in rows]
        if self.json != STANDARD_OUTPUT:
            print("\n\n".join(texts), flush=True)
        figures = {
            "checkpoint": str(checkpoint.path),
            "update": checkpoint.position.update,
            "engine": self.engine,
            "prompt": prompt,
            "temperature": self.temperature,
            "top_k": self.top_k,
            "top_p": self.top_p,
            "seed": self.seed,
            "texts": texts,
            "tokens": [len(row) for row in rows],
        }
        if speculated is not None:
            figures |= {"proposed": speculated.proposed, "kept": speculated.kept}
        write_figures(self.json, "generate", figures)
        if speculated is not None and not self.quiet:
            note(f"{speculated.kept:,} of {speculated.proposed:,} tokens of the draft were kept")
        if checkpoint.why and not self.quiet:
            note(f"written by {named(loaded)}")
        return 0

    def _rows(
        self, loaded: Loaded, begun: Sequence[int]
    ) -> tuple[list[list[int]], Speculated | None]:
        """The ids of what follows, and how the draft did, if there is one."""
        tokenizer = loaded.tokenizer
        options: dict[str, Any] = {
            "bos": None,
            "eos": tokenizer.ends,
            "banned": tokenizer.silent,
            "rng": np.random.default_rng(self.seed),
            "samples": self.samples,
            "temperature": self.temperature,
            "top_k": self.top_k,
            "top_p": self.top_p,
            "max_length": self.max_length,
        }
        if self.draft is None:
            return generate(loaded.model, begun, **options), None
        draft = load_model(self.draft, self.engine)
        if "source" in draft.model.streams or not hasattr(draft.model, "score"):
            raise ConfigError(f"{self.draft} goes on with no text; a draft is a language model")
        if draft.tokenizer.to_bytes() != tokenizer.to_bytes():
            raise ConfigError(
                f"{self.draft} has other tokens than {self.run}; a draft needs the same tokenizer"
            )
        found = speculate(loaded.model, draft.model, begun, ahead=self.ahead, **options)
        return found.rows, found
