"""Every mutant of the catalogue, planted into layers, is named there and nowhere else."""

from __future__ import annotations

import contextlib
import re
import zlib

import pytest

from npformer.models.loss import LOSS
from npformer.verify.lockstep.plant import plant, sites
from npformer.verify.mutants import MUTANTS
from tests.exhaustive import shared
from tests.verify.bisect_models import VARIANTS, Right, make_model, right, shows

# Mistakes that change nothing in any model here, and why.
CANNOT_SHOW = {
    "linear/double-out": "the model is in float64 already; see test_bisect for float32",
    "layer_norm/mean-of-squares": "the rows' means are small beside their deviations",
    "cross_entropy/mean-of-rows-under-weights": "the model's loss has no class weights",
    "cross_entropy/smoothing-weights-uniform": "the model's loss has no class weights",
    "cross_entropy/upstream-ignored": "the gradient of the loss by itself is 1",
    "cross_entropy/clipped": "it is right under label smoothing",
    "cross_entropy/no-max": "the logits of so small a model overflow nothing",
    "cross_entropy/first-upstream-for-all": "the loss is one number",
    "gelu/tail-cancels": "no activation is far in the tail",
    "gelu/derivative-cancels-in-the-tail": "no activation is far in the tail",
    "silu/derivative-overflows": "no activation is far in the tail",
    "dropout/mask-told-by-values": "no input of dropout is exactly 0",
    "attention/causal-aligned-at-the-start": "without a cache there are as many queries as keys",
    "attention/backward-aligned-at-the-start": "training has as many queries as keys",
    "attention/dy-read-as-contiguous": "between modules gradients are contiguous",
    "LearnedPositions/first-positions": "a batch begins at the first position",
    "RotaryPositions/from-the-start": "a batch begins at the first position",
    "RotaryPositions/positions-ignored": "positions count from the first",
    "RotaryPositions/first-sentence": "all sentences have the same positions",
    "RotaryPositions/first-axis": "positions have one axis",
    "RotaryPositions/off-by-one": "scores depend on differences of positions",
    "attention/values-cut-to-the-keys": "values are as wide as keys",
    "attention/sink-beyond-the-maximum": "no sink is above all scores",
    "attention/window-behind-alone": "windows are of decoders",
    "attention/window-halved": "windows are of decoders",
    "attention/window-from-the-start": "training has as many queries as keys",
    "attention/window-replaces-the-mask": "a decoder alone has no mask of padding",
    "attention/bias-lost-beside-a-mask": "a decoder alone has no mask of padding",
    "Linear/replaced": "each is used once",
    "LatentAttention/first-sentence-s-mask": "a decoder alone has no mask of padding",
    "LayerNorm/replaced": "each is used once",
    "LearnedPositions/from-the-start": "the one number that is ever given is 0",
    "BERT/places-count-padding": "padding is on the right",
    "Transformer/source-embedding-of-target": "source and target share their embedding",
    "GPT/table-counts-through": "no row holds several texts",
    "GPT/texts-see-each-other": "no row holds several texts",
    "GPT/padding-counts": "no row says where its padding is",
    "GPT/later-tokens-detached": "no model here looks at later tokens",
    "GPT/later-losses-summed": "no model here looks at later tokens",
    "GPT/one-target-early": "no model here looks at later tokens",
    "GPT/asked-across-texts": "no model here looks at later tokens",
    "GPT/later-text-seen": "no model here looks at later tokens",
    "Stack/shared-bias-of-first-layer": "no layers here share a bias",
    "Stack/first-table-for-all": "there is one table of values",
    "relative_bias/no-room-for-the-far": "no two tokens are far apart",
    "relative_bias/one-bucket-too-few": "no two tokens are far apart",
    "relative_bias/dropped-in-decoding": "training has as many queries as keys",
    "relative_bias/from-the-start": "training has as many queries as keys",
    "RelativePositions/first-sentence": "all sentences have the same positions",
    "RelativePositions/mean-over-sentences": "all sentences have the same positions",
    "sigmoid/one-minus-y": "no gate is far in the tail",
    "sigmoid/slope-overflows": "no gate is far in the tail",
    "swiglu/slope-overflows": "no gate is far in the tail",
    "softcap/digits-lost": "no score is far beyond the cap",
    "softcap/slope-overflows": "no score is far beyond the cap",
}
NAMED_IN_A_PART = (
    "GPT/every-layer-local",
    "GPT/scale-of-local-heads",
    "MultiHeadAttention/gates-interleaved",
    "Layer/parallel-attention-alone",
)
"""They change a part's setting or weights, or lie in a part's call; bisect names the part."""
LAYERS = 3
"""Of each stack: a first, one between and a last."""
MODELS = [make_model(1, **changes) for changes, _ in VARIANTS.values()]
USED = [name for name in MUTANTS if any(sites(MUTANTS[name], model) for model in MODELS)]


def places(name: str, model) -> list[str]:
    """One place of a mutant in each layer, another from mutant to mutant, and all outside them."""
    found: dict[str, list[str]] = {}
    for path in sites(MUTANTS[name], model):
        layer = re.search(r".*\.\d+", path)
        found.setdefault(layer[0] if layer else path, []).append(path)
    turn = zlib.crc32(name.encode())
    return [paths[(turn + i) % len(paths)] for i, paths in enumerate(found.values())]


def owner(path: str, side: Right) -> str:
    """The module of a path, which may be a parameter's."""
    return path if path in side.modules or path == "loss" else path.rpartition(".")[0]


@contextlib.contextmanager
def planted_at(mutant, side, paths):
    """The loss, while the mutant is in each of these places."""
    with contextlib.ExitStack() as planted:
        loss = LOSS
        for path in paths:
            loss = planted.enter_context(plant(mutant, side.model, path))
        yield loss


def changes(mutant, side, paths) -> bool:
    """Whether the mutant in each of these places changes what comes out of the model."""
    with planted_at(mutant, side, paths) as loss:
        return shows(loss, side)


def named(mutant, side, paths) -> set[str]:
    """Which of these owners bisect names with the mutant in each; it may name nothing else.

    A mistake may hide another behind it: what was not named is planted again without what was,
    until nothing is named, and then it changes nothing.
    """
    with planted_at(mutant, side, paths) as loss:
        found = side.reference.judge(side.model, loss)
        assert not found.passed or not shows(loss, side), paths
    for finding in found.findings:
        assert finding.path in {owner(path, side) for path in paths}, (paths, str(found))
        if mutant.site != "method":
            assert finding.method == mutant.component, (paths, str(found))
        assert finding.operation
    seen = {finding.path for finding in found.findings}
    left = [path for path in paths if owner(path, side) not in seen]
    return seen | named(mutant, side, left) if seen and left else seen


def component_of(name: str) -> str:
    return MUTANTS[name].component


SHOW = [name for name in USED if name not in {*CANNOT_SHOW, *NAMED_IN_A_PART}]


@pytest.mark.parametrize("name", shared(SHOW, component_of, one_in=3))
def test_a_mutant_is_named_in_every_second_layer(name):
    """With right ones between; in even or odd layers, in turn. In CI, one in three of a component.

    In models after the first that has a place for it, bisect, which takes ten times as long as a
    run, is asked first where the run's results change.
    """
    mutant, turn = MUTANTS[name], zlib.crc32(name.encode()) % 2
    asked, unchanged = None, []
    for side in (right(variant, LAYERS) for variant in VARIANTS):
        every = places(name, side.model)
        for paths in (every[turn::2], every[1 - turn :: 2]):
            if not paths:
                continue
            asked = asked or side
            if side is not asked and not changes(mutant, side, paths):
                unchanged.append((side, paths))
            elif named(mutant, side, paths):
                assert not shows(LOSS, side), "the mistake stayed when it was taken out"
                return
    assert any(named(mutant, *planted) for planted in unchanged), f"{name} was named in no variant"


@pytest.mark.parametrize("name", sorted(CANNOT_SHOW.keys() & set(USED)))
def test_what_cannot_show_changes_nothing(name):
    """In any layer of any model; and bisect, asked once, names nothing."""
    for variant in VARIANTS:
        side = right(variant, LAYERS)
        if every := places(name, side.model):
            assert not changes(MUTANTS[name], side, every)
            used = side, every
    assert not named(MUTANTS[name], *used)


def test_what_cannot_show_is_in_the_catalogue():
    assert CANNOT_SHOW.keys() <= set(USED)
