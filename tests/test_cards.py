"""A component has a complete card, by file name, and its name stands nowhere else in the house."""

from __future__ import annotations

import ast
import inspect
import sys
import types
import typing
from pathlib import Path

import pytest

from npformer.cards import CARDS, card, discovery
from npformer.cards.module_card import ModuleCard
from npformer.cards.op_card import OpCard
from npformer.cli.main import COMMANDS
from npformer.config import ModelConfig
from npformer.errors import VerifyError
from npformer.models import families
from npformer.models.loss import LOSS
from npformer.nn.module import Module

ROOT = Path(__file__).resolve().parents[1]
PAIRS = {f"{name}_{which}": name for name in CARDS for which in ("forward", "backward")}
HOUSE = ("verify", "inspect", "explorer", "plan", "bench", "cli")
CONFIGS = (ModelConfig, *(family.Config for family in families().values()))
SETTINGS = {
    word
    for config in CONFIGS
    for name, type_ in typing.get_type_hints(config).items()
    for word in (name, *typing.get_args(type_))
}
"""Fields of the models' configurations, and the values of those that are a choice."""
OWN_WORDS = {"bench": SETTINGS, "cli": SETTINGS | COMMANDS.keys()}
"""Where a word may be a setting's or a command's that has the name of a component."""
OTHERS = ("torch", "transformers")
"""Libraries whose classes have the same names as ours."""


def test_every_component_has_a_complete_card():
    assert discovery.problems() == []


def test_a_component_without_a_card_is_named(monkeypatch):
    home = types.ModuleType("npformer.ops.swish")
    home.swish_forward = home.swish_backward = lambda: None
    monkeypatch.setitem(sys.modules, home.__name__, home)
    known = discovery.files
    extra = {"npformer.ops": [home.__name__]}
    monkeypatch.setattr(discovery, "files", lambda package: known(package) + extra.get(package, []))
    assert discovery.problems() == [
        "swish (npformer.ops.swish) has no card; write one in npformer/cards/ops/swish.py"
    ]


def test_a_module_without_a_card_is_named(monkeypatch):
    home = types.ModuleType("npformer.nn.highway")
    home.Highway = type("Highway", (Module,), {"__module__": home.__name__})
    monkeypatch.setitem(sys.modules, home.__name__, home)
    known = discovery.files
    extra = {"npformer.nn": [home.__name__]}
    monkeypatch.setattr(discovery, "files", lambda package: known(package) + extra.get(package, []))
    assert discovery.problems() == [
        "Highway (npformer.nn.highway) has no card; write one in npformer/cards/nn/highway.py"
    ]
    card = ModuleCard.of(home.Highway)
    assert card.lacks() == ["twin", "output", "draws", "a wrong version"]


def test_a_card_says_what_it_lacks():
    from npformer.ops import softmax

    assert OpCard.of(softmax).lacks() == ["scales", "invariants", "a wrong version"]


def test_a_card_is_at_the_path_of_its_component():
    for each in CARDS.values():
        home = each.home.replace("npformer.", "npformer.cards.", 1)
        assert each in vars(sys.modules[home]).values(), each.name


def test_an_unknown_card_is_refused_with_the_nearest_name():
    with pytest.raises(VerifyError, match="'layernorm' does not exist.*did you mean 'layer_norm'"):
        card("layernorm")


def sources() -> list[Path]:
    return [path for part in HOUSE for path in sorted((ROOT / "npformer" / part).rglob("*.py"))]


def named(path: Path) -> list[str]:
    """Components that the code knows: by a string, a variable, an import, a call of their pair.

    Prose may speak of them, and a setting may have the name of one, as ``config.dropout`` has.
    """
    known, words, foreign = set(), set(), set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            home = getattr(node, "module", None)
            for alias in node.names:
                theirs = (home or alias.name).split(".")[0] in OTHERS
                (foreign if theirs else known).add(alias.asname or alias.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.add(node.value)
        elif isinstance(node, ast.Name):
            words.add(node.id)
        elif isinstance(node, ast.Attribute) and ast.unparse(node).split(".")[0] not in foreign:
            known.add(node.attr if node.attr in PAIRS or node.attr[:1].isupper() else "")
    known |= words - foreign - OWN_WORDS.get(path.parent.name, set())
    return sorted({PAIRS.get(word, word) for word in known} & CARDS.keys())


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_component_is_known_by_name(path):
    """What holds of one component only is on its card."""
    assert named(path) == []


def test_an_op_that_a_module_calls_names_one_that_does():
    """Else ``bisect`` does not see the op in the twin, and has no unit for what it sums."""
    house = ROOT / "npformer"
    callers = [path for part in ("nn", "models") for path in (house / part).rglob("*.py")]
    called = {
        PAIRS[alias.name]
        for path in callers
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("npformer.ops.")
        for alias in node.names
        if alias.name in PAIRS and alias.name.endswith("_backward")
    }
    wrong = {}
    for op in called - {LOSS.name}:  # which is called for the model
        owner = CARDS.get(CARDS[op].owner)
        source = "" if owner is None else inspect.getsource(sys.modules[owner.module.__module__])
        if f"{op}_backward" not in source:
            wrong[op] = CARDS[op].owner
    assert wrong == {}
