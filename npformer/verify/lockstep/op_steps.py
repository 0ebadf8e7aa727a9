"""Which step inside an op is wrong, from what the suspect's cache shows besides the result."""

from __future__ import annotations

from npformer.cards.discovery import CARDS
from npformer.cards.op_card import OpCard
from npformer.verify.lockstep.visits import Visit


def inside(visit: Visit, result: str) -> str:
    """The step of an op that makes ``result`` wrong, in the words of its card."""
    card = CARDS.get(visit.site.kind)
    words = ""
    if isinstance(card, OpCard):
        try:
            words = card.step(visit, result) if card.step is not None else ""
        except (AttributeError, TypeError, ValueError, IndexError, KeyError):
            words = ""  # a cache of another form shows nothing
        words = words or card.words.get(result, "")
    return words or ("its value" if result == "y" else result)
