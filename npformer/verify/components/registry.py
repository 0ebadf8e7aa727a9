"""Every component by name: what ``npformer verify`` runs, made from the cards."""

from __future__ import annotations

from collections.abc import Mapping

from npformer.cards.card import Card
from npformer.cards.discovery import CARDS, Lazy, known
from npformer.cards.module_card import ModuleCard
from npformer.cards.op_card import OpCard
from npformer.cards.optimizer_card import OptimizerCard
from npformer.verify.component import Component
from npformer.verify.components.module_component import ModuleComponent
from npformer.verify.components.op_component import OpComponent
from npformer.verify.components.optimizer_component import OptimizerComponent


def _of(card: Card) -> Component:
    if isinstance(card, OpCard):
        return OpComponent.of(card)
    if isinstance(card, ModuleCard):
        return ModuleComponent(card)
    assert isinstance(card, OptimizerCard)
    return OptimizerComponent(card)


def _made() -> dict[str, Component]:
    return {card.name: _of(card) for card in CARDS.values()}


COMPONENTS: Mapping[str, Component] = Lazy(_made)


def component(name: str) -> Component:
    """The component of that name; raises ``VerifyError`` as ``known`` does."""
    return COMPONENTS[known(name, COMPONENTS)]
