"""Every mutant of the catalogue, planted into every layer, is named there and nowhere else."""

from __future__ import annotations

import re
import zlib

import pytest

from npformer.verify.lockstep.plant import plant, sites
from npformer.verify.mutants import MUTANTS
from tests.verify.bisect_models import VARIANTS, right, shows

# Mistakes that change nothing in any model here, and why.
CANNOT_SHOW = {
    "linear/double-out": "the model is in float64 already; see test_bisect for float32",
    "layer_norm/mean-of-squares": "the rows' means are small beside their deviations",
    "cross_entropy/mean-of-rows-under-weights": "the model's loss has no class weights",
    "cross_entropy/smoothing-weights-uniform": "the model's loss has no class weights",
    "cross_entropy/upstream-ignored": "the gradient of the loss by itself is 1",
    "cross_entropy/clipped": "it is right under label smoothing",
    "cross_entropy/no-max": "the logits of so small a model overflow nothing",
    "gelu/tail-cancels": "no activation is far in the tail",
    "LearnedPositions/first-positions": "a batch begins at the first position",
}
MODEL = right("the paper's").model
USED = [name for name in MUTANTS if any(sites(MUTANTS[name], right(v, 1).model) for v in VARIANTS)]


def places(name: str, model) -> list[str]:
    """One place of a mutant in each layer, another from mutant to mutant, and all outside them."""
    found: dict[str, list[str]] = {}
    for path in sites(MUTANTS[name], model):
        layer = re.search(r".*\.\d+", path)
        found.setdefault(layer[0] if layer else path, []).append(path)
    turn = zlib.crc32(name.encode())
    return [paths[(turn + i) % len(paths)] for i, paths in enumerate(found.values())]


def owner(path: str, model) -> str:
    """The module of a path, which may be a parameter's."""
    return (
        path if path in dict(model.named_modules()) or path == "loss" else path.rpartition(".")[0]
    )


@pytest.mark.parametrize("name", USED)
def test_a_mutant_is_named_in_each_layer(name):
    mutant = MUTANTS[name]
    named = 0
    for variant in VARIANTS:
        side = right(variant)
        for path in places(name, side.model):
            with plant(mutant, side.model, path) as loss:
                found = side.reference.judge(side.model, loss)
                assert not found.passed or not shows(loss, side), (variant, path)
            for finding in found.findings:
                assert finding.path == owner(path, side.model), (variant, path, str(found))
                if mutant.site != "method":
                    assert finding.method == mutant.component, (variant, path, str(found))
                assert finding.operation
            named += not found.passed
        if named:
            break
    assert (named > 0) != (name in CANNOT_SHOW), named


def test_what_cannot_show_is_in_the_catalogue():
    assert CANNOT_SHOW.keys() <= set(USED)


def test_the_models_are_of_six_and_six_layers():
    assert len(MODEL.encoder.layers) == len(MODEL.decoder.layers) == 6
