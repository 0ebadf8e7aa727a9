"""A component has a complete card, by file name, and its name stands nowhere else in the house."""

from __future__ import annotations

import ast
import sys
import types
from pathlib import Path

import pytest

from npformer.cards import CARDS, card, discovery
from npformer.cards.op_card import OpCard
from npformer.errors import VerifyError

ROOT = Path(__file__).resolve().parents[1]
PAIRS = {f"{name}_{which}": name for name in CARDS for which in ("forward", "backward")}
HOUSE = ("verify", "inspect", "explorer", "plan", "bench", "cli")
TO_COME = {
    "verify/components/modules_table.py",
    "verify/lockstep/bisection.py",
    "verify/lockstep/judge.py",
    "verify/lockstep/numpy_side.py",
    "verify/lockstep/op_steps.py",
    "verify/lockstep/plant.py",
    "verify/lockstep/steps.py",
    "verify/lockstep/torch_side.py",
    "verify/lockstep/torch_taps.py",
    "verify/mutants/modules.py",
    "inspect/plots.py",
    "inspect/recorder.py",
    "inspect/recording.py",
    "inspect/statistics.py",
    "explorer/nodes.py",
    "explorer/page.py",
    "explorer/sentence.py",
    "plan/flops.py",
    "plan/parameters.py",
    "plan/tape.py",
    "bench/marian.py",
    "bench/numpy_baselines.py",
    "bench/numpy_runner.py",
    "bench/settings.py",
    "bench/shapes.py",
    "bench/torch_baselines.py",
    "bench/torch_transformer.py",
    "cli/attention.py",
    "cli/bisect.py",
    "cli/main.py",
}
"""Files that still know components by name."""


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
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr if node.attr in PAIRS or node.attr[:1].isupper() else "")
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.name for alias in node.names}
    return sorted({PAIRS.get(word, word) for word in found} & CARDS.keys())


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_component_is_known_by_name(path):
    """What holds of one component only is on its card."""
    found = named(path)
    if str(path.relative_to(ROOT / "npformer")) in TO_COME:
        assert found, f"{path} knows no component any more: take it from the list"
    else:
        assert not found, f"{path} knows {', '.join(found)}"
