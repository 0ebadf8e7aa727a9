"""``npformer attention``: what each head of each layer looks at in one sentence, as pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from npformer.cli.common import named
from npformer.cli.figures import reporter
from npformer.cli.reading import read
from npformer.inspect import reading_figures, save_figure
from npformer.train.engines import load_model


@dataclass(frozen=True)
class Command:
    """Draw what every head attends to while one sentence, or a recording, is read.

    One picture for each attention of each layer, with a panel a head and one for their mean. Rows
    are the tokens that look, columns those that they look at, and each row sums to one:

      encoder.layers.0.self_attn     source to source
      decoder.layers.0.self_attn     target to the target up to there
      decoder.layers.0.cross_attn    target to source: often close to a word alignment

    The target is the model's own translation unless you give one. Of a recording, which a model
    that hears is given in the sentence's place, columns are stretches of time, in seconds.

    Examples:
      npformer attention runs/demo "The old man does not see the red car."
      npformer attention runs/demo "She sleeps." --target "Sie schläft." --out maps
      npformer attention runs/whisper recording.wav
    """

    run: tyro.conf.Positional[Path]
    """A run's directory, or one checkpoint in it."""
    sentence: tyro.conf.Positional[str]
    """The sentence to read; for a model that hears, the file of a recording."""
    target: str | None = None
    """The translation to read along, or what is said; the model's own unless given."""
    out: Path = Path("attention")
    """Directory for the pictures; it is made if it does not exist."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but warnings and errors."""

    def __call__(self) -> int:
        loaded = load_model(self.run)
        model, tokenizer, _, _ = loaded
        text, recording = (None, Path(self.sentence)) if model.heard else (self.sentence, None)
        found = read(loaded, text, recording, self.target)
        console = reporter(None, self.quiet)
        console.out(found.texts, highlight=False)
        console.out(f"The target is {found.against}.", highlight=False)
        console.out(f"The model is {named(loaded)}.", highlight=False)
        for path, figure in reading_figures(model, tokenizer, found.reading).items():
            console.out(save_figure(figure, self.out / f"{path}.png"), highlight=False)
        return 0
