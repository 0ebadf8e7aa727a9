"""Each invariant holds of the real op and is broken by a wrong one, with no other oracle's help."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.verify.components.registry import component
from npformer.verify.drawing.strategies import GeneratorSource
from npformer.verify.judge import violation
from npformer.verify.mutants import MUTANTS
from npformer.verify.units.error import CAP

# An invariant, and a mutant that breaks it.
BROKEN = {
    "<dx, x> = <dweight, weight>": "linear/weight-averaged",
    "unused and padding rows have no gradient": "embedding/padding-trained",
    "dweight sums to dy": "embedding/repeats-lost",
    "softmax sums to 1": "softmax/epsilon-below",
    "dx sums to 0": "softmax/mean-for-sum",
    "exp(y) sums to 1": "log_softmax/clipped",
    "a query that sees nothing gives 0": "attention/finite-mask",
    "a hidden value has no gradient": "attention/dv-from-unmasked-weights",
    "dk sums to 0 over keys": "attention/softmax-diagonal",
    "dv sums to dy": "attention/mask-after-softmax",
    "dk follows the order of keys": "attention/dk-without-transpose",
    "dx sums to 0 over a row": "layer_norm/mean-term-dropped",
    "dx is orthogonal to xhat but for eps": "layer_norm/xhat-term-dropped",
    "no gradient where x <= 0": "relu/leaky",
    "all of it where x > 0": "relu/times-y",
    "dx(x) + dx(-x) = dy": "silu/sigmoid-derivative",
    "nothing passes a dropped unit": "dropout/fresh-mask",
    "inference is the identity": "dropout/scaled-at-inference",
    "dlogits sums to 0": "cross_entropy/target-not-subtracted",
    "an ignored row has no gradient": "cross_entropy/ignored-rows-trained",
}


def violations(planted, real, cases=80):
    """The worst violation of each invariant, by name."""
    source = GeneratorSource(np.random.default_rng(2))
    found: dict[str, float] = {}
    with np.errstate(all="ignore"):
        for _ in range(cases):
            case = real.draw(source, np.dtype(np.float64))
            result, scales = planted.run(case), real.scales(case)
            for invariant in real.invariants:
                for finding in invariant(planted, case, result, scales):
                    gap = violation(finding, np.dtype(np.float64))
                    found[finding.what] = max(gap, found.get(finding.what, 0.0))
    return found


@pytest.mark.parametrize("what", BROKEN)
def test_an_invariant_tells_right_from_wrong(what):
    mutant = MUTANTS[BROKEN[what]]
    real = component(mutant.component)
    assert violations(real, real)[what] <= CAP
    assert violations(mutant.plant(real), real)[what] > CAP
