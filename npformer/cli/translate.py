"""``npformer translate``: paragraphs in, paragraphs out."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tyro

from npformer.cli.arguments import UsageError
from npformer.cli.common import check_reads, named, note, note_unknown, read_text
from npformer.decode import Translator
from npformer.decode import sample as draw
from npformer.decode.translator import Search
from npformer.errors import NpformerError, counted
from npformer.text.document import Document
from npformer.train.engines import EngineName, load_model

LEFT_OUT = 2
"""Exit status if a sentence was too long to be translated."""
NAMED = 8
"""Lines that a message names."""


@dataclass(frozen=True)
class Command:
    """Translate text: split into paragraphs and sentences, translated, and joined again.

    The text comes from the command line, from --file, or from standard input. Without a blank line
    between its paragraphs, every line is translated to one line; with blank lines, lines that an
    editor has wrapped are joined first. --lines and --wrapped choose.

    Beam search takes the most probable of several candidate translations; --sample draws one
    instead, and another for another --seed.

    A sentence longer than the model takes is left out, and its line is named on standard error; the
    exit status is then 2.

    Examples:
      npformer translate runs/demo "The old man sleeps. He does not see the car."
      npformer translate runs/demo --file letter.txt > brief.txt
      npformer translate runs/demo --file subtitles.txt --lines
      echo "She reads a book." | npformer translate runs/demo --beam 1
      npformer translate runs/nllb "Guten Tag." --source-language de --target-language fra_Latn
      npformer translate runs/demo "She reads a book." --sample --temperature 0.7 --seed 1
    """

    run: tyro.conf.Positional[Path]
    """A run's directory, or one checkpoint in it."""
    text: tyro.conf.Positional[tuple[str, ...]] = ()
    """Text to translate; each argument is a paragraph."""
    file: Path | None = None
    """Translate this UTF-8 file instead."""
    source_language: str | None = None
    """Language of the text, for where sentences end, and for models that are told it."""
    target_language: str | None = None
    """Language to translate into, for models of several (OPUS-MT, M2M-100, NLLB)."""
    lines: tyro.conf.FlagCreatePairsOff[bool] = False
    """Translate every line to one line, blank ones too."""
    wrapped: tyro.conf.FlagCreatePairsOff[bool] = False
    """Join the lines of a paragraph that an editor has wrapped."""
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
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but the translation, warnings and errors."""

    def __call__(self) -> int:
        """The exit status; raises ``UsageError`` for options at odds.

        Raises ``NpformerError`` if every sentence is too long.
        """
        if self.text and self.file is not None:
            raise UsageError("give the text on the command line or with --file, not both")
        if self.lines and self.wrapped:
            raise UsageError(
                "--lines keeps line breaks and --wrapped joins lines; give one of them"
            )
        loaded = load_model(self.run, self.engine)
        model, tokenizer, config, _ = loaded
        check_reads(loaded)
        tokenizer = tokenizer.between(self.source_language, self.target_language)
        spoken = self.source_language or config.data.source_language
        translator = Translator(model, tokenizer, source_language=spoken)
        document = Document.read(
            "\n\n".join(self.text) if self.text else read_text(self.file),
            translator.source_language,
            lines=True if self.lines else False if self.wrapped else None,
            splitter=self.splitter,
        )
        if not self.quiet:
            note_unknown(tokenizer, document.text)
        sentences = document.sentences
        longest = model.config.max_length
        too_long = {i: n for i, n in enumerate(translator.lengths(sentences)) if n > longest}
        said = self._left_out(too_long, document, longest)
        if too_long and len(too_long) == len(sentences):
            raise NpformerError(said)
        print(
            document.joined(
                translator.translate_sentences(
                    ["" if i in too_long else s for i, s in enumerate(sentences)],
                    beam=self.beam,
                    alpha=self.alpha,
                    search=self._sampler(translator) if self.sample else None,
                )
            ),
            flush=True,  # a reader that has gone is noticed before anything more is said
        )
        if too_long:
            note(said)
            return LEFT_OUT
        if loaded.checkpoint.why and not self.quiet:
            note(f"translated by {named(loaded)}")
        return 0

    def _left_out(self, too_long: dict[int, int], document: Document, longest: int) -> str:
        """What to say of the sentences that are too long, by number -> tokens."""
        lines = document.line_numbers() if too_long else []
        each = [f"line {lines[i]} ({tokens:,} tokens)" for i, tokens in too_long.items()]
        more = f" and {len(each) - NAMED:,} more" if len(each) > NAMED else ""
        where = f" of {self.file}" if self.file else ""
        return (
            f"{counted(len(each), 'sentence')}{where} longer than the {longest} tokens that the "
            f"model takes, left out: {', '.join(each[:NAMED])}{more}; shorten or split"
        )

    def _sampler(self, translator: Translator) -> Search:
        rng = np.random.default_rng(self.seed)
        return functools.partial(
            draw,
            translator.searched,
            **translator.marks,
            rng=rng,
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
        )
