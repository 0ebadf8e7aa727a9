"""``npformer attention``: what each head of each layer looks at in one sentence, as pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from npformer.cli.common import named, origin, read_along, read_texts
from npformer.cli.figures import reporter
from npformer.inspect import save_figure, sentence_figures
from npformer.train.engines import load_model


@dataclass(frozen=True)
class Command:
    """Draw what every head attends to while one sentence is translated.

    One picture for each attention of each layer, with a panel a head and one for their mean. Rows
    are the tokens that look, columns those that they look at, and each row sums to one:

      encoder.layers.0.self_attn     source to source
      decoder.layers.0.self_attn     target to the target up to there
      decoder.layers.0.cross_attn    target to source: often close to a word alignment

    The target is the model's own translation unless you give one.

    Examples:
      npformer attention runs/demo "The old man does not see the red car."
      npformer attention runs/demo "She sleeps." --target "Sie schläft." --out maps
    """

    run: tyro.conf.Positional[Path]
    """A run's directory, or one checkpoint in it."""
    sentence: tyro.conf.Positional[str]
    """The sentence to read."""
    target: str | None = None
    """The translation to read along; the model's own unless given."""
    out: Path = Path("attention")
    """Directory for the pictures; it is made if it does not exist."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but warnings and errors."""

    def __call__(self) -> int:
        loaded = load_model(self.run)
        model, tokenizer, _, _ = loaded
        target = read_along(loaded, self.sentence, self.target)
        console = reporter(None, self.quiet)
        console.out(read_texts(loaded, self.sentence, target), highlight=False)
        console.out(f"The target is {origin(loaded, self.target)}.", highlight=False)
        console.out(f"The model is {named(loaded)}.", highlight=False)
        for path, figure in sentence_figures(model, tokenizer, self.sentence, target).items():
            console.out(save_figure(figure, self.out / f"{path}.png"), highlight=False)
        return 0
