"""``npformer translate``: paragraphs in, paragraphs out."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro

from npformer.cli.arguments import UsageError
from npformer.cli.common import check_characters, read_text
from npformer.decode import Translator
from npformer.decode import sample as draw
from npformer.decode.translator import Search
from npformer.text.tokenizer import BOS, EOS, PAD
from npformer.train.engines import EngineName, load_model


@dataclass(frozen=True)
class Command:
    """Translate text: split into paragraphs and sentences, translated, and joined again.

    The text comes from the command line, from --file, or from standard input. Beam search takes
    the most probable of several candidate translations; --sample draws one instead, and another
    for another --seed.

    Examples:
      npformer translate runs/demo "The old man sleeps. He does not see the car."
      npformer translate runs/demo --file letter.txt > brief.txt
      echo "She reads a book." | npformer translate runs/demo --beam 1
      npformer translate runs/demo "She reads a book." --sample --temperature 0.7 --seed 1
    """

    run: tyro.conf.Positional[Path]
    """A run's directory, or one checkpoint in it."""
    text: tyro.conf.Positional[tuple[str, ...]] = ()
    """Text to translate; each argument is a paragraph."""
    file: Path | None = None
    """Translate this UTF-8 file instead."""
    beam: int = 4
    """Hypotheses kept at each step; 1 is greedy decoding."""
    alpha: float = 0.6
    """Strength of the length penalty; 0 has none and prefers short translations."""
    sample: tyro.conf.FlagCreatePairsOff[bool] = False
    """Draw each token at random from the model's distribution."""
    temperature: float = 1.0
    """With --sample: below 1 sharpens the distribution, above 1 flattens it; 0 is greedy."""
    top_k: int = 0
    """With --sample: only from this many of the most probable tokens; 0 is all."""
    top_p: float = 1.0
    """With --sample: only from the most probable tokens that make up this much probability."""
    seed: int = 0
    """With --sample: which draw."""
    engine: EngineName = "numpy"
    """The hand-written model, or the PyTorch twin; both read the same checkpoints."""
    splitter: Literal["regex", "spacy"] = "regex"
    """What finds the ends of sentences; spacy needs the extra of that name."""

    def __call__(self) -> int:
        if self.text and self.file is not None:
            raise UsageError("give the text on the command line or with --file, not both")
        model, tokenizer, config, _ = load_model(self.run, self.engine)
        text = "\n\n".join(self.text) if self.text else read_text(self.file)
        check_characters(tokenizer, text)
        translator = Translator(model, tokenizer, source_language=config.data.source_language)
        print(
            translator.translate(
                text,
                beam=self.beam,
                alpha=self.alpha,
                search=self._sampler(model) if self.sample else None,
                splitter=self.splitter,
            )
        )
        return 0

    def _sampler(self, model: Any) -> Search:
        rng = np.random.default_rng(self.seed)
        return functools.partial(
            draw,
            model,
            bos=BOS,
            eos=EOS,
            pad=PAD,
            rng=rng,
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
        )
