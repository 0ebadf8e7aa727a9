"""How good translations are, by five measures in percent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from npformer.errors import CorpusError


def scores(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """``bleu``, ``chrf``, ``cer``, ``wer`` and ``exact`` of translations, each in percent.

    bleu    BLEU-4 of the corpus (Papineni et al., 2002) by sacrebleu, its tokenizer 13a; 0 for a
            corpus in which no reference has four words
    chrf    chrF2 (Popović, 2015) by sacrebleu
    cer     character errors (substituted, deleted, inserted) per reference character, by jiwer
    wer     word errors per reference word, by jiwer
    exact   translations that equal their reference

    The first two and the last are better when higher, the others when lower (0 is perfect, and
    more than 100 is possible). White space counts as one space, and none at either end. All of
    the words of a translation whose reference is empty are insertions; with nothing but empty
    references the error rate is 0 if the translations are empty too, else 100. Raises
    ``CorpusError`` for empty lists or lists of different length.
    """
    if len(hypotheses) != len(references):
        raise CorpusError(
            f"there are {len(hypotheses)} translations but {len(references)} references; "
            "scores need one reference for each"
        )
    if not references:
        raise CorpusError("there is nothing to score: no translation and no reference")
    import jiwer
    import sacrebleu

    hypotheses = [" ".join(text.split()) for text in hypotheses]
    references = [" ".join(text.split()) for text in references]
    equal = sum(h == r for h, r in zip(hypotheses, references, strict=True))
    return {
        # force: no advice on standard error about lines that end in a spaced full stop
        "bleu": sacrebleu.corpus_bleu(hypotheses, [references], force=True).score,
        "chrf": sacrebleu.corpus_chrf(hypotheses, [references]).score,
        "cer": _error_rate(hypotheses, references, jiwer.process_characters, len),
        "wer": _error_rate(hypotheses, references, jiwer.process_words, lambda t: len(t.split())),
        "exact": 100.0 * equal / len(references),
    }


def _error_rate(
    hypotheses: list[str],
    references: list[str],
    align: Callable[[list[str], list[str]], Any],
    size: Callable[[str], int],
) -> float:
    """Errors per unit of the references; jiwer refuses empty references, so they are apart."""
    pairs = list(zip(references, hypotheses, strict=True))
    errors = sum(size(hypothesis) for reference, hypothesis in pairs if not reference)
    units = sum(map(size, references))
    if units == 0:
        return 100.0 if errors else 0.0
    aligned = align([r for r, _ in pairs if r], [h for r, h in pairs if r])
    errors += aligned.substitutions + aligned.deletions + aligned.insertions
    return 100.0 * errors / units
