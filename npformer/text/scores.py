"""How good translations are, by five measures in percent."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from npformer.errors import CorpusError, counted

FEW = 20
"""With fewer pairs a score is an anecdote."""


def scores(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """``bleu``, ``chrf``, ``cer``, ``wer`` and ``exact`` of translations, each in percent.

    bleu    BLEU of the corpus (Papineni et al., 2002) by sacrebleu, its tokenizer 13a: runs of one
            to four tokens, or up to the longest reference where no reference has four
    chrf    chrF2 (Popović, 2015) by sacrebleu
    cer     character errors (substituted, deleted, inserted) per reference character, by jiwer
    wer     word errors per reference word, by jiwer
    exact   translations that equal their reference

    The first two and the last are better when higher, the others when lower (0 is perfect, and
    more than 100 is possible). White space counts as one space, and none at either end. All of
    the words of a translation whose reference is empty are insertions; with nothing but empty
    references BLEU and chrF are 0, and the error rate is 0 if the translations are empty too, else
    100. ``caution`` says where BLEU means little. Raises ``CorpusError`` for empty lists or lists
    of different length.
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

    hypotheses, references = _plain(hypotheses), _plain(references)
    equal = sum(h == r for h, r in zip(hypotheses, references, strict=True))
    return {
        "bleu": _bleu(references).corpus_score(hypotheses, [references]).score,
        "chrf": sacrebleu.corpus_chrf(hypotheses, [references]).score,
        "cer": _error_rate(hypotheses, references, jiwer.process_characters, len),
        "wer": _error_rate(hypotheses, references, jiwer.process_words, lambda t: len(t.split())),
        "exact": 100.0 * equal / len(references),
    }


def intervals(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Half the width of the 95 % interval of ``bleu`` and ``chrf``, over the choice of pairs.

    By sacrebleu's bootstrap (Koehn, 2004) over 1,000 draws of as many pairs. Empty for fewer than
    ``FEW`` pairs, of which no such draw says anything.
    """
    if len(references) < FEW:
        return {}
    import sacrebleu

    hypotheses, references = _plain(hypotheses), _plain(references)
    found = {}
    for name, metric in (("bleu", _bleu(references)), ("chrf", sacrebleu.CHRF())):
        score = metric.corpus_score(hypotheses, [references], n_bootstrap=1000)
        told = score.format(signature=str(metric.get_signature()), is_json=True)
        found[name] = float(json.loads(told).get("confidence_var", 0.0))  # absent if all is 0
    return found


def caution(references: Sequence[str]) -> str:
    """A sentence on what BLEU is worth for these references; empty where it is worth reading."""
    lengths = _token_counts(_plain(references))
    mean = sum(lengths) / len(lengths)
    if is_short(references):
        runs = sum(max(0, n - 3) for n in lengths)
        return (
            f"BLEU says little here: the references, of {mean:.1f} tokens on average, have "
            f"{counted(runs, 'run') if runs else 'no run'} of four tokens; go by chrF and exact"
        )
    if len(references) < FEW:
        return f"{counted(len(references), 'pair')}: one sentence more or less moves every figure"
    return ""


def is_short(references: Sequence[str]) -> bool:
    """Whether a reference has fewer than two runs of four tokens, on average.

    BLEU multiplies the shares of right runs of one to four tokens, so that with fewer it is decided
    by a handful of runs.
    """
    lengths = _token_counts(_plain(references))
    return sum(max(0, n - 3) for n in lengths) < 2 * len(lengths)


def _plain(texts: Sequence[str]) -> list[str]:
    return [" ".join(text.split()) for text in texts]


def _bleu(references: Sequence[str]) -> Any:
    """The metric; a run longer than every reference can never be right, and would decide all."""
    import sacrebleu

    longest = max(_token_counts(references))
    # force: no advice on standard error about lines that end in a spaced full stop
    return sacrebleu.BLEU(max_ngram_order=max(1, min(4, longest)), force=True)


def _token_counts(references: Sequence[str]) -> list[int]:
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    cut = Tokenizer13a()
    return [len(cut(text).split()) for text in references]


def _error_rate(
    hypotheses: list[str],
    references: list[str],
    align: Callable[[list[str], list[str]], Any],
    size: Callable[[str], int],
) -> float:
    """Errors per unit of the references."""
    aligned = align(references, hypotheses)
    errors = aligned.substitutions + aligned.deletions + aligned.insertions
    units = sum(map(size, references))
    if units == 0:
        return 100.0 if errors else 0.0
    return 100.0 * errors / units
