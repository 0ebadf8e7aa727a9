"""Mistakes in a part are looked for in the parts that run, and in no others."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.cards.strategies import GeneratorSource
from npformer.verify.components.registry import COMPONENTS
from npformer.verify.diagnosis.evidence import Evidence, observe
from npformer.verify.diagnosis.inside import _inside, mutants_inside


@pytest.mark.parametrize("name", ["FeedForward", "MultiHeadAttention", "Checkpointed", "SGD"])
def test_what_is_left_out_would_change_nothing(name):
    whole = COMPONENTS[name]
    case = whole.draw(GeneratorSource(np.random.default_rng(1)), np.dtype(np.float64))
    right = observe(whole, case)
    evidence = Evidence.of(whole, case, right)
    tried = mutants_inside(evidence)
    left_out = [suspect for suspect, _ in _inside(name) if suspect not in tried]
    assert len(tried) < len(left_out)
    for suspect in left_out:
        found = suspect.predict(evidence)
        assert found is not None
        assert found.keys() == right.keys()
        assert all(np.array_equal(found[n], right[n], equal_nan=True) for n in right), suspect


def test_the_parts_that_run_are_tried():
    whole = COMPONENTS["FeedForward"]
    case = whole.draw(GeneratorSource(np.random.default_rng(1)), np.dtype(np.float64))
    found = mutants_inside(Evidence.of(whole, case, observe(whole, case)))
    owners = {name.partition("/")[0] for suspect in found for name in suspect.mutants}
    assert {"Linear", "linear"} <= owners
    assert not {"softmax", "attention"} & owners
