"""The cards of what says where a token stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from npformer.cards.module_card import ModuleCard
from npformer.cards.ordinary import option
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.positions import LearnedPositions, SinusoidalPositions

sinusoidal, learned = ModuleCard.of(SinusoidalPositions), ModuleCard.of(LearnedPositions)
for each in (sinusoidal, learned):
    each.inputs, each.output = {"x": "BTD"}, "BTD"
    each.only_adds = True


def _draw(*layouts: str) -> Callable[[Source], tuple[dict[str, int], dict[str, Any]]]:
    """From the first position or a later one."""

    def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
        z = draw_sizes(source, "BTD", {"D": 1})
        at = source.integer(0, 3)
        layout = (source.choice(layouts),) if layouts else ()
        return z, {"build": (z["T"] + at + source.integer(0, 2) or 1, z["D"], *layout), "at": at}

    return draw


sinusoidal.draw(_draw("interleaved", "half"))
learned.draw(_draw())


@sinusoidal.wrong_method("from-the-start", "a later piece of a sentence gets the first positions",
                         SinusoidalPositions.forward, seen="mosaicml/examples#244",
                         smallest="x (1, 1, 1)",
                         missed_by=option("sentences in one piece", at=0))  # fmt: skip
def _from_the_start(self, x, at=0):
    return self.forward(x)


@learned.wrong_method("one-sentence", "only the first sentence's share is kept, not the sum",
                      LearnedPositions.backward)  # fmt: skip
def _one_sentence(self, dy, cache):
    self.backward(dy[:1], cache)
    return dy


@learned.wrong_method("mean-for-sum", "the mean over the sentences is taken, not their sum",
                      LearnedPositions.backward)  # fmt: skip
def _mean(self, dy, cache):
    self.backward(dy / max(len(dy), 1), cache)
    return dy


@learned.wrong_method("first-positions", "the gradient goes to the first rows of the table, not "
                      "to those that were read", LearnedPositions.backward)  # fmt: skip
def _first(self, dy, cache):
    self.backward(dy, cache._replace(at=0))
    return dy
