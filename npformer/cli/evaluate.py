"""``npformer evaluate``: how well a trained model translates a corpus's split, or foretells it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from npformer.cli import language
from npformer.cli.arguments import UsageError
from npformer.cli.common import check_reads, named, note
from npformer.cli.figures import reporter, tracked, write_figures
from npformer.decode import Translator
from npformer.decode.translator import Search
from npformer.errors import counted
from npformer.text.corpus import ParallelCorpus, has_splits, read_pairs
from npformer.text.scores import caution, intervals, is_short, scores
from npformer.text.tokenizer import KINDS
from npformer.train.data_record import record_of
from npformer.train.engines import EngineName, Loaded, load_model
from npformer.train.kept_validation import trained_on, validation_of

CHUNK = 256  # sentences between two movements of the progress bar
COLUMNS = {"bleu": "BLEU", "chrf": "chrF", "cer": "CER", "wer": "WER", "exact": "exact"}
SHORT = {key: COLUMNS[key] for key in ("chrf", "exact", "bleu", "cer", "wer")}
"""Where segments are too short for BLEU, what is worth reading comes first."""

MOST_LABELS = 20
"""Rows of the table beside that of all pairs."""


@dataclass(frozen=True)
class Command:
    """Translate the sentences of a split and score them against their references.

    BLEU and chrF are higher for better translations, as is the share that is exactly right; CER and
    WER are errors for each character and word of the reference, so lower is better. All are
    percentages. BLEU counts runs of four tokens: where references are too short to have them, it
    says little, chrF and exact come first, and a line says so. The 95 % intervals say how far BLEU
    and chrF would move with other pairs of the kind. If the corpus has a third column with labels
    of where its pairs are from, each label has a row of its own.

    A run keeps its validation pairs: they are scored even if its corpus has changed since, which is
    then said, or is gone.

    A model that reads no source translates nothing: of it, the loss, the perplexity and the bits
    for each byte of the texts are measured. Bits per byte compare models of other vocabularies. Of
    a model that sees a text whole it is the loss of tokens that are hidden, the same ones each
    time.

    Examples:
      npformer evaluate runs/demo --split test
      npformer evaluate runs/real --corpus valid.tsv.xz --json scores.json
      npformer evaluate runs/gpt --corpus unseen.txt                 a language model
      npformer evaluate runs/real --limit 200 --beam 1 --samples 20
    """

    run: tyro.conf.Positional[Path]
    """A run's directory, or one checkpoint in it."""
    corpus: str | None = None
    """Pairs to score, named as in training; the corpus of the run unless given."""
    columns: str = ""
    """Columns or keys of --corpus, as in training; empty finds them."""
    split: Literal["validation", "test"] = "validation"
    """Which part of the grammar or of a dataset; a file given by --corpus has no parts."""
    limit: int = 0
    """Score only the first so many pairs; 0 is all of them."""
    beam: int = 4
    """Hypotheses kept at each step; 1 is greedy decoding."""
    alpha: float = 0.6
    """Strength of the length penalty; 0 has none and prefers short translations."""
    engine: EngineName = "numpy"
    """The hand-written model, or the PyTorch twin."""
    samples: int = 3
    """Translations to show, spread evenly over the split."""
    json: Path | None = None
    """Also write scores and samples to this file; - is standard output."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but warnings and errors."""

    def __call__(self) -> int:
        """The exit status; raises ``UsageError`` for a number below 0."""
        for name in ("limit", "samples"):
            if getattr(self, name) < 0:
                raise UsageError(f"--{name} is {getattr(self, name)}; it must be 0 or more")
        return self.report(load_model(self.run, self.engine))

    def report(self, loaded: Loaded, search: Search | None = None) -> int:
        """Translate the pairs with ``loaded``, by ``search`` if given, and print their scores."""
        console = reporter(self.json, self.quiet)
        check_reads(loaded)
        translates = "source" in loaded.model.streams
        if not translates:
            self._refuse_what_translates()
        pairs = self._pairs(loaded)
        for sentence in () if self.quiet else pairs.notes:
            note(sentence)
        what = self.corpus or f"{loaded.config.data.corpus}, {self.split} split"
        settings = {
            "checkpoint": str(loaded.checkpoint.path),
            "update": loaded.checkpoint.position.update,
            "engine": self.engine,
            "corpus": self.corpus or loaded.config.data.corpus,
            "split": self.split,
        }
        if not translates:
            return language.report(loaded, pairs, what, self.engine, console, self.json, settings)
        hypotheses, too_long = self._translate(loaded, pairs.source, console, search)
        results = {"all": {"pairs": len(pairs), **scores(hypotheses, pairs.target)}}
        if len(tags := sorted(set(pairs.tags))) > 1:
            results |= {tag or "(no tag)": _of_tag(tag, pairs, hypotheses) for tag in tags}
        examples = _examples(pairs, hypotheses, self.samples)
        by_chance, warning = intervals(hypotheses, pairs.target), caution(pairs.target)
        try:
            write_figures(
                self.json,
                "evaluate",
                {
                    **settings,
                    "beam": self.beam,
                    "alpha": self.alpha,
                    "too_long": too_long,
                    "scores": results,
                    "intervals": by_chance,
                    "caution": warning,
                    "samples": examples,
                },
            )
        finally:  # a full disk takes only one of the two
            self._show(console, what, loaded, results, by_chance, pairs.target, too_long)
            for example in examples:
                console.print(
                    "\n" + "\n".join(f"{name:<11}{text}" for name, text in example.items()),
                    highlight=False,
                    markup=False,
                    soft_wrap=True,
                )
        return 0

    def _show(
        self,
        console: Console,
        what: str,
        loaded: Loaded,
        results: dict[str, dict[str, Any]],
        by_chance: dict[str, float],
        references: Sequence[str],
        too_long: int,
    ) -> None:
        console.print(
            f"{what}, translated by {named(loaded)}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        console.print(_table(_most(results), SHORT if is_short(references) else COLUMNS))
        if hidden := len(results) - len(_most(results)):
            console.print(f"and {counted(hidden, 'label')} of fewer pairs; --json has them all")
        if by_chance:
            widths = ", ".join(
                f"{COLUMNS[name]} ± {width:.1f}" for name, width in by_chance.items()
            )
            console.print(f"95 % intervals over the choice of pairs: {widths}", highlight=False)
        if warning := caution(references):
            console.print(warning, highlight=False, soft_wrap=True)
        if too_long:
            console.print(
                f"{too_long} of the sentences are longer than the model's "
                f"{loaded.config.model.max_length} tokens and count as not translated"
            )

    def _refuse_what_translates(self) -> None:
        given = [
            f"--{field.name}"
            for field in dataclasses.fields(self)
            if field.name in ("beam", "alpha", "samples")
            and getattr(self, field.name) != field.default
        ]
        if given:
            raise UsageError(f"this model reads no source: leave {', '.join(given)} out")

    def _pairs(self, loaded: Loaded) -> ParallelCorpus:
        data, text = loaded.config.data, "source" not in loaded.model.streams
        languages = dict(source_language=data.source_language, target_language=data.target_language)
        if self.corpus is not None:
            where = dict(languages, columns=self.columns)
            pairs = read_pairs(self.corpus, split=self.split, limit=self.limit, text=text, **where)
            if warning := trained_on(loaded.checkpoint, self.corpus):
                note(f"warning: {warning}")
            return pairs
        if loaded.tokenizer.kind not in KINDS and record_of(loaded.checkpoint) is None:
            raise UsageError(
                f"{self.run} was loaded, and has no corpus of its own; name texts with --corpus"
            )
        if loaded.config.preferences.judged:
            raise UsageError(
                f"{self.run} was trained on answers that were judged, and its metrics.jsonl says "
                "how well it judges; name texts with --corpus"
            )
        if self.columns:
            raise UsageError("--columns are those of --corpus; the run knows its own")
        if self.split == "validation":
            kept = validation_of(loaded.checkpoint)
            for warning in kept.warnings:
                note(f"warning: {warning}")
            return _first(kept.pairs, self.limit)
        if not has_splits(data.corpus):
            raise UsageError(
                f"the run's corpus {data.corpus} has no test split; take --split validation, "
                "or name other pairs with --corpus"
            )
        where = dict(languages, columns=data.columns)
        return read_pairs(data.corpus, split=self.split, limit=self.limit, text=text, **where)

    def _translate(
        self,
        loaded: Loaded,
        sentences: Sequence[str],
        console: Console,
        search: Search | None,
    ) -> tuple[list[str], int]:
        """The translations, "" for a sentence that the model cannot take, and how many of those."""
        limit = loaded.config.model.max_length
        translator = Translator(loaded.model, loaded.tokenizer)
        lengths = translator.lengths(list(sentences))
        fitting = [s if n <= limit else "" for s, n in zip(sentences, lengths, strict=True)]
        hypotheses: list[str] = []
        for start in tracked(range(0, len(fitting), CHUNK), "translating", console):
            hypotheses += translator.translate_sentences(
                fitting[start : start + CHUNK], beam=self.beam, alpha=self.alpha, search=search
            )
        return hypotheses, sum(n > limit for n in lengths)


def _first(pairs: ParallelCorpus, limit: int) -> ParallelCorpus:
    count = limit or len(pairs)
    return ParallelCorpus(pairs.source[:count], pairs.target[:count], pairs.tags[:count])


def _of_tag(tag: str, pairs: ParallelCorpus, hypotheses: list[str]) -> dict[str, Any]:
    rows = [row for row, own in enumerate(pairs.tags) if own == tag]
    found = scores([hypotheses[row] for row in rows], [pairs.target[row] for row in rows])
    return {"pairs": len(rows), **found}


def _most(results: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The rows of all pairs and of the labels that have most of them."""
    labels = sorted(list(results)[1:], key=lambda label: -results[label]["pairs"])[:MOST_LABELS]
    return {name: row for name, row in results.items() if name == "all" or name in labels}


def _examples(pairs: ParallelCorpus, hypotheses: list[str], count: int) -> list[dict[str, str]]:
    count = min(count, len(pairs))
    return [
        {"source": pairs.source[row], "reference": pairs.target[row], "model": hypotheses[row]}
        for row in (number * len(pairs) // count for number in range(count))
    ]


def _table(results: dict[str, dict[str, Any]], columns: dict[str, str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    table.add_column("")
    table.add_column("pairs", justify="right")
    for heading in columns.values():
        table.add_column(heading, justify="right")
    for name, row in results.items():
        table.add_row(name, f"{row['pairs']:,}", *(f"{row[key]:.1f}" for key in columns))
    return table
