"""The card of the paper's table of sines and cosines."""

from __future__ import annotations

from npformer.cards.module_card import ModuleCard
from npformer.cards.nn.positions.draws import added
from npformer.cards.ordinary import option
from npformer.nn.positions import SinusoidalPositions

card = ModuleCard.of(SinusoidalPositions)
card.inputs, card.output = {"x": "BTD"}, "BTD"
card.only_adds = True
card.draw(added("interleaved", "half"))


@card.wrong_method(
    "from-the-start",
    "a later piece of a sentence gets the first positions",
    SinusoidalPositions.forward,
    seen="mosaicml/examples#244",
    smallest="x (1, 1, 1)",
    missed_by=option("sentences in one piece", at=0),
)
def _from_the_start(self, x, at=0):
    return self.forward(x)
