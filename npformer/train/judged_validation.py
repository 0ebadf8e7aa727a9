"""What answers were worth before training, and how often the model judges as somebody did."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from npformer.config import PreferenceConfig
from npformer.text.judged_batches import JudgedBatches
from npformer.train.engine import AnswerEngine, Engine
from npformer.train.judged_loss import judgement
from npformer.train.ranks import Alone, Ranks
from npformer.train.validation import Validation


class JudgedValidation(Validation):
    """Answers that are not trained on."""

    def __init__(self, batches: JudgedBatches, preferences: PreferenceConfig) -> None:
        super().__init__(())
        self.judged, self.preferences = batches, preferences

    def measure(
        self,
        engine: Engine,
        stopped: Callable[[], bool] = lambda: False,
        ranks: Ranks | None = None,
    ) -> dict[str, Any] | None:
        """validation_loss, accuracy (of 1) and margin: means over what is judged; None if stopped.

        Of many ``ranks`` each takes its share of the batches, and gets the whole result.
        """
        ranks = ranks or Alone()
        judge = cast(AnswerEngine, engine)
        _ = engine.model  # which many ranks may have to gather: all of them, here
        sums = np.zeros(4)
        for rows in self.judged.in_order()[ranks.rank :: ranks.size]:
            if stopped():
                return None
            batch = self.judged.batch(rows)
            found = judgement(judge.log_probs(batch), batch, self.preferences)
            sums += [*found, batch.units]
        *totals, units = ranks.sum(*sums.tolist())
        loss, accuracy, margin = (total / units if units else math.nan for total in totals)
        return {"validation_loss": loss, "accuracy": accuracy, "margin": margin}


def measure_references(
    engine: AnswerEngine, every: Sequence[JudgedBatches], ranks: Ranks | None = None
) -> list[np.ndarray]:
    """Of each set of batches, the log-probability (A,) of all its answers under the engine's model.

    Of many ``ranks`` each measures its share, and gets all.
    """
    ranks = ranks or Alone()
    _ = engine.model
    found = []
    for batches in every:
        reference = np.zeros(len(batches.pairs.target))
        for rows in batches.in_order()[ranks.rank :: ranks.size]:
            reference[batches.pairs.places(rows)] = engine.log_probs(batches.batch(rows))
        found.append(np.array(ranks.sum(*reference.tolist())))  # each has one term that is not 0
    return found
