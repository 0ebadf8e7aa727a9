"""Every op and module against the one oracle that needs no PyTorch: differences of its forward."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.cards.sources import GeneratorSource
from npformer.verify.components.registry import COMPONENTS
from npformer.verify.reference.oracles import directional_gap

CASES = 12
TOLERANCE = 1e-6
DIFFERENTIABLE = [
    c for c in COMPONENTS.values() if c.kind != "optimizer" and not c.card.straight_through
]


@pytest.mark.parametrize("component", DIFFERENTIABLE, ids=lambda c: c.name)
def test_a_gradient_is_the_slope_of_its_forward(component):
    gaps = []
    for seed in range(CASES):
        rng = np.random.default_rng(seed)
        case = component.draw(GeneratorSource(rng), np.dtype(np.float64))
        gaps.append(directional_gap(component, case, rng))
    settled = [gap for gap in gaps if gap is not None]
    assert settled, "no case was smooth enough to say anything"
    assert max(settled) < TOLERANCE
