"""Cards: one file a component, with all that the rest of the package wants to know of it.

    from npformer.cards import CARDS, card
    card("layer_norm").twin          # PyTorch's function of the same arguments
    card("layer_norm").mutants       # its wrong versions

A card is at the path that the component's own file has under ``npformer``, and is found by that
name: nothing else lists the components. It holds the twin, how a case is drawn where the letters
of the docstring do not say enough, the scale of rounding errors, invariants, edges, wrong
versions, and the words of the steps. PyTorch is imported when a twin is first asked for
(``pytorch``): to draw a case and to judge a learner's file takes none.
"""

from npformer.cards.card import Card
from npformer.cards.discovery import CARDS, card

__all__ = ["CARDS", "Card", "card"]
