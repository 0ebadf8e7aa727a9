"""The card of AdamW."""

from __future__ import annotations

from npformer.cards.case import Array
from npformer.cards.optim import adam
from npformer.cards.optimizer_card import OptimizerCard, Settings
from npformer.cards.ordinary import option
from npformer.optim.adamw import AdamW

card = OptimizerCard.of(AdamW)
card.static = adam.card.static


@card.scale
def _scale(weight: Array, gradients: Array, settings: Settings) -> Array:
    return adam.adam_scale(weight, gradients, settings, 0.0)


@card.wrong_method("decay-coupled", "the decay goes through the moments, as in Adam", AdamW.decay,
                   seen="anhquan0412/basic_model_scratch#2", smallest=adam.ONE,
                   missed_by=option("no weight decay", weight_decay=0.0))  # fmt: skip
def _coupled(self, weight, gradient, spare, learning_rate):
    gradient += self.weight_decay * weight


@card.wrong_method("decay-without-rate", "the decay is not scaled by the learning rate",
                   AdamW.decay, seen="tensorflow/addons#2282", smallest=adam.ONE,
                   missed_by=option("no weight decay", weight_decay=0.0))  # fmt: skip
def _no_rate(self, weight, gradient, spare, learning_rate):
    weight *= 1 - self.weight_decay
