"""Our own families and modules have the invariants that are asked of anybody's."""

from __future__ import annotations

import dataclasses
import inspect

import numpy as np
import pytest
from hypothesis import settings

from npformer.cards import CARDS
from npformer.cards.module_card import BUILDING, ModuleCard
from npformer.cards.strategies import GeneratorSource
from npformer.errors import ConfigError
from npformer.models import families
from npformer.models.model import Model
from npformer.nn.multi_head_attention import MultiHeadAttention
from npformer.seam import replacing
from npformer.verify import check_model
from npformer.verify.models.named import small
from npformer.verify.models.options import default, values
from tests.exhaustive import QUICK

LENGTHS = (4,)
MODULES = [
    card
    for card in CARDS.values()
    if isinstance(card, ModuleCard) and not issubclass(card.module, Model)
    if card.inputs
    and card.output.startswith("BT")  # a position of the output for each of the input
    and "ids" not in inspect.signature(card.module.forward).parameters  # they are as long as x
]
ALWAYS = {"repeat", "neighbours", "permutation", "two-backwards"}
IF_CAUSAL = {"future", "future-gradient", "prefix"}
STEPS = {"cached-step"}


def settings_to_ask(model, turn):
    """Each option; in ``deep`` with all of its values, else with another from family to family.

    In CI, every second option, and the others of the next family.
    """
    every = values(model)
    if settings.get_current_profile_name() == "deep":
        return every
    others = {name: [v for v in vs if fits(model, name, v)] for name, vs in every.items()}
    options = {name: [vs[turn % len(vs)]] for name, vs in others.items() if vs}
    return dict(list(options.items())[turn % 2 :: 2]) if QUICK else options


def fits(model, name, value):
    """Whether it is another value, which the others do not exclude."""
    try:
        dataclasses.replace(model.config, **{name: value})
    except ConfigError:
        return False
    return value != default(model, name)


@pytest.mark.parametrize("name", families())
def test_a_family_has_them_for_every_option(name):
    model = small(families()[name])
    options = settings_to_ask(model, list(families()).index(name))
    causal = families()[name].decodes
    result = check_model(model, lengths=LENGTHS, causal=causal, options=options)
    assert result.passed, str(result)
    assert all("ConfigError" in note for note in result.notes), result.notes  # one excludes another
    held = {asked.name for asked in result.held}
    assert held == ALWAYS | {"padding", "trained"} | (IF_CAUSAL | STEPS if causal else set())
    assert QUICK or {"norm", "activation", "positions", "tie_output"} <= options.keys()
    assert options.keys() <= {asked.options.partition("=")[0] for asked in result.asked}


def test_a_family_that_sees_the_future_is_caught():
    def not_causal(self, x, memory=None, mask=None, *, causal=False, at=None, kept=None):
        return MultiHeadAttention.forward(self, x, memory, mask, at=at, kept=kept)

    with replacing({MultiHeadAttention.forward: not_causal}):
        model = small(families()["gpt"])
        result = check_model(model, lengths=(2, 3), causal=True, options={})
    found = {asked.name: asked.broken for asked in result.broken}
    for seen in (found["future"], found["future-gradient"]):
        assert seen.positions == (1, 0)
        assert seen.module_kind == "MultiHeadAttention"
    attending = [n for n in range(model.config.layers) if not model.config.keeps_a_state(n)]
    assert found["future"].module == f"decoder.layers.{attending[0]}.self_attn"
    assert found["future-gradient"].module == f"decoder.layers.{attending[-1]}.self_attn"


@pytest.mark.parametrize("card", MODULES, ids=lambda card: card.name)
def test_a_module_has_those_that_its_card_says(card):
    source, asked = GeneratorSource(np.random.default_rng(1)), 0
    while asked < 2:
        sizes, static = card.draws(source)
        if sizes["T"] < 2 or sizes["B"] < 1:
            continue
        if static.get("causal") and "S" in sizes:  # aligned at the memory's end: no prefix sees it
            continue
        settings = static.get("settings", {})
        if settings.get("attention", settings).get("window") == 1:  # of one key no score counts
            continue
        asked += 1
        module = card.build(static, np.float64)
        keywords = {name: static[name] for name in card.keeps}

        def call(module, *arrays, rng=None, keywords=keywords, random="rng" in static):
            more = {"rng": rng} if random and rng is not None else {}
            return card.call(module, list(arrays), {**keywords, **more})

        def inputs(batch, length, rng, sizes=sizes):
            each = {**sizes, "B": batch, "T": length}
            return {
                name: rng.standard_normal([each[letter] for letter in letters])
                for name, letters in card.inputs.items()
                if set(letters) <= each.keys()
            }

        causal = card.causal(static)
        given = {"call": call, "causal": causal, "lengths": (sizes["T"],), "options": {}}
        result = check_model(module, inputs, **given)
        idle = card.idle({n: v for n, v in static.items() if n in (*BUILDING, *card.keeps)})
        assert {a.name: set(a.broken.parameters) for a in result.broken} == (
            {"trained": idle} if idle else {}
        ), str(result)
        assert {a.name for a in result.held} >= ALWAYS | (IF_CAUSAL if causal else set())
