"""Looking at the validation pairs while training: loss over all, scores of some translations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from npformer.decode.beam import beam as beam_search
from npformer.decode.greedy import greedy
from npformer.decode.rollout import CachedModel
from npformer.decode.translator import Translator, padded
from npformer.text.batches import Batch
from npformer.text.scores import scores
from npformer.text.tokenizer import Tokenizer
from npformer.train.engine import Engine
from npformer.train.ranks import Alone, Ranks

ROWS = 64
"""Sentences translated at a time."""


class Validation:
    """Validation pairs, ready to be measured.

    ``batches`` hold all pairs, for the loss. ``count`` of the pairs ``sources``/``targets``, spread
    evenly over them as a corpus may be sorted, are translated with a ``beam``, for BLEU and chrF;
    a source longer than ``max_length`` tokens is passed over.
    """

    def __init__(
        self,
        batches: Sequence[Batch],
        sources: Sequence[str] = (),
        targets: Sequence[str] = (),
        tokenizer: Tokenizer | None = None,
        *,
        count: int = 0,
        beam: int = 1,
        max_length: int = 256,
    ) -> None:
        self.batches = batches
        self._tokenizer, self._beam = tokenizer, beam
        self._chosen: list[tuple[list[int], str]] = []  # (source ids with EOS, reference)
        if tokenizer is None:
            return
        for row in np.linspace(0, len(sources), min(count, len(sources)), endpoint=False):
            ids = tokenizer.source(tokenizer.encode(sources[int(row)]))
            if len(ids) <= max_length:
                self._chosen.append((ids, targets[int(row)]))
        self._chosen.sort(key=lambda pair: len(pair[0]))  # so that batches hold little padding

    def measure(
        self,
        engine: Engine,
        stopped: Callable[[], bool] = lambda: False,
        ranks: Ranks | None = None,
    ) -> dict[str, Any] | None:
        """validation_loss (nats a token), perplexity and, if translated, bleu and chrf.

        ``stopped`` is asked between batches; once it says yes, the result is None. Of many
        ``ranks`` each takes its share of the batches and sentences, and gets the whole result.
        """
        ranks = ranks or Alone()
        mine = slice(ranks.rank, None, ranks.size)
        model = engine.model  # which many ranks may have to gather: all of them, here
        total, tokens = 0.0, 0
        for batch in self.batches[mine]:
            if stopped():
                return None
            loss, count = engine.evaluate(batch)
            total, tokens = total + loss, tokens + count
        total, counted = ranks.sum(total, tokens)
        loss = total / counted if counted else math.nan
        # exp overflows a float just above 709.
        results = {
            "validation_loss": loss,
            "perplexity": math.exp(loss) if loss < 709 else math.inf,
        }
        if self._chosen:
            hypotheses: list[str] = []
            chosen = self._chosen[mine]
            for start in range(0, len(chosen), ROWS):
                if stopped():
                    return None
                hypotheses += self._translate(model, [i for i, _ in chosen[start:][:ROWS]])
            everybody = [""] * len(self._chosen)
            for rank, theirs in enumerate(ranks.gather(hypotheses)):
                everybody[rank :: ranks.size] = theirs
            found = scores(everybody, [reference for _, reference in self._chosen])
            results |= {name: found[name] for name in ("bleu", "chrf")}
        return results

    def _translate(self, model: CachedModel, sentences: list[list[int]]) -> list[str]:
        assert self._tokenizer is not None
        longest = max(map(len, sentences))
        translator = Translator(model, self._tokenizer)
        source = padded(sentences, translator.marks["pad"])
        # A young model does not know when to stop; it need not ramble on to its own limit.
        limit = 2 * longest + 10
        options: dict[str, Any] = {**translator.marks, "max_length": limit}
        if self._beam == 1:
            outputs = greedy(translator.searched, source, **options)
        else:
            outputs = beam_search(translator.searched, source, beam=self._beam, **options)
        return [self._tokenizer.decode(tokens) for tokens in outputs]
