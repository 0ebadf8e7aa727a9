"""``package.module:name``."""

from __future__ import annotations

import sys

import pytest

from npformer.errors import VerifyError
from npformer.verify.subjects.loading import load


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory to import from; its modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("loaded_"):
            del sys.modules[name]


def test_a_name_and_a_name_inside_a_name(here):
    (here / "loaded_a.py").write_text("class Kernels:\n    @staticmethod\n    def f(x): return x\n")
    assert load("loaded_a:Kernels").__name__ == "Kernels"
    assert load("loaded_a:Kernels.f")(3) == 3


def test_a_package(here):
    (here / "loaded_p").mkdir()
    (here / "loaded_p" / "__init__.py").write_text("")
    (here / "loaded_p" / "m.py").write_text("def f(x): return 2 * x\n")
    assert load("loaded_p.m:f")(3) == 6


def test_the_path_of_a_file(here):
    (here / "loaded_deep").mkdir()
    (here / "loaded_deep" / "loaded_one.py").write_text("from loaded_two import f")
    (here / "loaded_deep" / "loaded_two.py").write_text("def f(x): return 2 * x\n")
    assert load("loaded_deep/loaded_one.py:f")(3) == 6
    (here / "loaded_one.py").write_text("def f(x): return x\n")
    with pytest.raises(VerifyError, match="has the name of a module that is imported, .*deep"):
        load("loaded_one.py:f")
    with pytest.raises(VerifyError, match="there is no file 'loaded_deep/three.py'"):
        load("loaded_deep/three.py:f")


@pytest.mark.parametrize("forward", ["norm", "norm_forward"])
def test_a_function_beside_its_backward_is_a_pair(here, forward):
    text = f"def {forward}(x): return x, None\ndef norm_backward(dy, cache): return dy\n"
    (here / f"loaded_{forward}.py").write_text(text)
    found = load(f"loaded_{forward}:norm")
    assert [f.__name__ for f in found] == [forward, "norm_backward"]


@pytest.mark.parametrize(
    ("text", "reference", "said"),
    [
        ("", "loaded_none:f", "there is no module 'loaded_none', in"),
        ("", "loaded_b.deeper:f", "there is no module 'loaded_b.deeper'"),
        ("norm = 1", "loaded_b:nrom", "loaded_b has no 'nrom'; did you mean 'norm'"),
        (
            "import loaded_gone",
            "loaded_b:f",
            "importing loaded_b failed: it needs loaded_gone",
        ),
        ("x = 1\ny = x / 0", "loaded_b:f", r"ZeroDivisionError: .* \(loaded_b.py, line 2\)"),
        ("def f(:", "loaded_b:f", r"invalid syntax.* \(loaded_b.py, line 1\)"),
        ("import sys; sys.exit(3)", "loaded_b:f", "importing loaded_b failed: SystemExit"),
        ("", "loaded_b", "names nothing to import; write my_package.my_module:my_function"),
        ("", "a b:f", "names nothing to import"),
        ("", ":f", "names nothing to import"),
    ],
)
def test_every_mishap_is_one_line(here, text, reference, said):
    (here / "loaded_b.py").write_text(text)
    with pytest.raises(VerifyError, match=said) as refused:
        load(reference)
    assert len(str(refused.value).splitlines()) == 1
