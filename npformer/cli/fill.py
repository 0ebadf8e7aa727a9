"""``npformer fill``: the hidden words of a text, by a model that sees it whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from npformer.cli.common import check_characters, named, note, note_unknown
from npformer.cli.figures import STANDARD_OUTPUT, reporter, write_figures
from npformer.decode.fill import Guess, fill
from npformer.text.tokenizer import MASK, Tokenizer
from npformer.train.engines import EngineName, load_model


@dataclass(frozen=True)
class Command:
    """Say what the hidden tokens of a text are: each [MASK] in it stands for one.

    The text is printed with the most probable token in each place, and below it, for each place,
    the most probable ones with their probabilities. Several are predicted each by itself. The model
    is one that was trained to do so: a BERT that npformer load made a run of, or one that npformer
    train --model bert has made.

    Examples:
      npformer load downloads/bert-base-uncased runs/bert
      npformer fill runs/bert "The [MASK] sat on the mat."
      npformer fill runs/bert "Paris is the [MASK] of [MASK]." --top 3 --json -
    """

    run: tyro.conf.Positional[Path]
    """A run's directory, or one checkpoint in it."""
    text: tyro.conf.Positional[str]
    """The text, with [MASK] for each hidden token."""
    top: int = 5
    """How many tokens to print for each place."""
    engine: EngineName = "numpy"
    """The hand-written model, or the PyTorch twin; both read the same checkpoints."""
    json: Path | None = None
    """Also write texts and figures to this file; - is standard output, in place of the texts."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but the text, warnings and errors."""

    def __call__(self) -> int:
        reporter(self.json)  # refuses a file that cannot be, before any work
        loaded = load_model(self.run, self.engine)
        tokenizer, shown = loaded.tokenizer, self.text.replace(MASK, "")
        check_characters(tokenizer, shown)
        if not self.quiet:
            note_unknown(tokenizer, shown)
        filled = fill(loaded.model, tokenizer, self.text, top=self.top)
        text = tokenizer.decode(filled.ids.tolist())
        places = [_place(tokenizer, guesses) for guesses in filled.places]
        if self.json != STANDARD_OUTPUT:
            print(text)
            for number, guesses in enumerate(places if not self.quiet else [], 1):
                said = "  ".join(f"{g['token']} {g['probability']:.3f}" for g in guesses)
                print(f"{number}  {said}", flush=True)
        figures = {
            "checkpoint": str(loaded.checkpoint.path),
            "update": loaded.checkpoint.position.update,
            "engine": self.engine,
            "text": self.text,
            "filled": text,
            "places": places,
        }
        write_figures(self.json, "fill", figures)
        if loaded.checkpoint.why and not self.quiet:
            note(f"filled in by {named(loaded)}")
        return 0


def _place(tokenizer: Tokenizer, guesses: list[Guess]) -> list[dict[str, Any]]:
    """The guesses of one place, by readable names."""
    names = tokenizer.tokens([guess.id for guess in guesses])
    return [
        {"token": name.strip("▁ ") or name, "id": guess.id, "probability": guess.probability}
        for name, guess in zip(names, guesses, strict=True)
    ]
