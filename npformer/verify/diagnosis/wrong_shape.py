"""A gradient of another shape than its input.

No mistake in the values explains it, so the sentence is about the shapes.
"""

from __future__ import annotations

import itertools
import re

from npformer.verify.diagnosis.evidence import Evidence


def misshapen(evidence: Evidence) -> list[str]:
    """The results whose shape is not what it must be."""
    return [
        name
        for name, right in evidence.right.items()
        if name in evidence.wrong and evidence.wrong[name].shape != right.shape
    ]


def wrong_shape(evidence: Evidence, name: str) -> str:
    """What the shape is, what it must be, and how the one may have come from the other."""
    got, due = evidence.wrong[name].shape, evidence.right[name].shape
    owner = "the output" if name == "y" else re.sub("^(grad |d)", "", name)
    return f"{name} has the shape {got}; it must be that of {owner}, {due}{_how(evidence, name)}"


def _how(evidence: Evidence, name: str) -> str:
    wrong, due = evidence.wrong[name], evidence.right[name].shape
    if wrong.size == evidence.right[name].size:
        same = evidence.is_right(name, wrong.reshape(due))
        return ": the numbers are right, in another shape" if same else ""
    for count in range(1, wrong.ndim + 1):
        for axes in itertools.combinations(range(wrong.ndim), count):
            summed = wrong.sum(axis=axes)
            if summed.size != evidence.right[name].size:
                continue
            if evidence.is_right(name, summed.reshape(due)):
                over = ("axis " if count == 1 else "axes ") + " and ".join(map(str, axes))
                return f": it is not summed over {over}"
    return ""
