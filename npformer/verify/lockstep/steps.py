"""Which step of an operation is wrong, in words: the scale, the mask, the sum, the skip path.

Between the calls of a method the place decides: what reaches a residual's norm is its sum of skip
and branch. Inside a call it is what the suspect shows besides the result: attention's
probabilities tell a wrong softmax from a wrong product with the values. The words are those of
the component's card.
"""

from __future__ import annotations

from collections.abc import Mapping

from npformer.cards.discovery import CARDS
from npformer.cards.module_card import ModuleCard
from npformer.verify.lockstep.mismatch import Mismatch
from npformer.verify.lockstep.visits import Visit

_PASSED = {
    ("forward", "mask"): "the mask passed on",
    ("forward", "memory_mask"): "the mask passed on",
    ("forward", "memory"): "the memory passed on",
    ("forward", "weight"): "the weight",
    ("forward", "bias"): "the bias",
    ("forward", "rng"): "dropout's generator",
}
"""(phase, what is passed) -> the step, whoever passes it."""


def step(finding: Mismatch, classes: Mapping[str, str]) -> str:
    """The step of the computation that is wrong there.

    ``classes`` are those of the reference's modules, by path: the suspect's may have names of
    their own.
    """
    visit = finding.visit
    kind = "" if visit is None else classes.get(visit.site.path, visit.site.kind)
    if finding.absent:
        return f"the call of {finding.absent}"
    if finding.receiver:
        return _between(finding, kind)
    if finding.method == "accumulate":
        return "the sum of the gradients of its uses"
    if finding.result.startswith("grad "):
        return f"what is added to the gradient of {finding.result.removeprefix('grad ')}"
    if visit is not None and visit.site.is_op:
        usual = "its value" if finding.result == "y" else finding.result
        return _inside(visit, visit.site.kind, finding.result) or usual
    words = ""
    if visit is not None and finding.method == "forward":
        words = _inside(visit, kind, finding.result)
    return words or f"its {finding.result}"


def _inside(visit: Visit, kind: str, result: str) -> str:
    """The step of a call that makes ``result`` wrong, in the words of the card of ``kind``."""
    card = CARDS.get(kind)
    if card is None:
        return ""
    try:
        words = card.step(visit, result) if card.step is not None else ""
    except (AttributeError, TypeError, ValueError, IndexError, KeyError):
        words = ""  # a cache of another form shows nothing
    return words or card.words.get(result, "")


def _between(finding: Mismatch, kind: str) -> str:
    card = CARDS.get(kind)
    for (phase, name, receiver), words in (
        card.passes.items() if isinstance(card, ModuleCard) else ()
    ):
        if (phase, name) == (finding.phase, finding.result) and (
            finding.receiver.endswith(receiver)
        ):
            return words
    if finding.phase == "backward":
        return f"the gradient that goes to {finding.receiver}"
    usual = f"{finding.result} of {finding.receiver}"
    return _PASSED.get((finding.phase, finding.result), usual)
