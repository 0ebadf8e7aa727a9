"""A call that writes to an array that it was given is named, and whoever reads it later is not."""

from __future__ import annotations

import pytest

from npformer.seam import replacing
from npformer.verify.lockstep.plant import find_mutant, plant, sites
from tests.verify.bisect_models import right

# Without dropout the gradient that a residual still needs is the one that its sub-layer gets.
SIDE = right("inference, tanh form, heads of their own sizes", 1)
MODULES = {
    path: module
    for path, module in SIDE.model.named_modules()
    if type(module).__name__ in ("Linear", "LayerNorm", "FeedForward", "MultiHeadAttention")
}


@pytest.mark.parametrize("method", ["forward", "backward"])
@pytest.mark.parametrize("path", MODULES)
def test_a_module_that_writes_to_what_it_was_given_is_named_alone(path, method):
    def writes(module, given, *others, **keywords):
        result = getattr(type(module), method)(module, given, *others, **keywords)
        given *= 2
        return result

    with replacing({getattr(MODULES[path], method): writes}):
        found = SIDE.reference.judge(SIDE.model)
    assert {f.path for f in found.findings} == {path}, str(found)
    assert any("writes to" in f.message for f in found.findings)


@pytest.mark.parametrize("path", sites(find_mutant("linear/input-overwritten"), SIDE.model))
def test_so_is_an_op(path):
    with plant(find_mutant("linear/input-overwritten"), SIDE.model, path):
        found = SIDE.reference.judge(SIDE.model)
    assert [(f.path, f.method, f.result) for f in found.findings] == [(path, "linear", "dy")]


def test_another_mistake_is_named_beside_it():
    wrong = "decoder.layers.0.feed_forward.linear2", "encoder.layers.0.feed_forward_residual.norm"
    with (
        plant(find_mutant("linear/input-overwritten"), SIDE.model, wrong[0]),
        plant(find_mutant("layer_norm/zero"), SIDE.model, wrong[1]),
    ):
        found = SIDE.reference.judge(SIDE.model)
    assert {f.path for f in found.findings} == set(wrong), str(found)
