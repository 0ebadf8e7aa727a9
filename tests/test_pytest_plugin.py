"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

import npformer.verify  # noqa: F401  (what a fork would import for itself, each time)
from tests.forked import forked

ROOT = Path(__file__).resolve().parents[1]
TESTS = """
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from npformer.verify import WithVJP

SQUARE = WithVJP(lambda x: x * x, lambda dy, x: 2 * dy * x)
WRONG = WithVJP(lambda x: x * x, lambda dy, x: dy * x)


def test_right(check_gradients):
    result = check_gradients(SQUARE, "bt")
    assert (result.cases, result.seed) == (settings.default.max_examples, SEED)


def test_wrong(check_gradients):
    check_gradients(WRONG, "bt", against=torch.square)


@pytest.mark.npformer(cases=11, seed=3, dtypes="float64")
def test_marked(check_gradients):
    result = check_gradients(SQUARE, "bt")
    assert (result.cases, result.seed, len(result.tallies)) == (11, 3, 1)
    assert check_gradients(SQUARE, "bt", cases=5).cases == 5


@settings(max_examples=7)
@given(st.floats(0.5, 2))
def test_settings_are_honoured(check_gradients, x):
    assert check_gradients(SQUARE, [np.array([x])]).cases == 7


def test_something_else():
    pass
"""


PLUGINS = ("-p", "npformer.pytest_plugin", "-p", "_hypothesis_pytestplugin")


def run(tmp_path: Path, *arguments: str, seed: int = 0) -> tuple[int, str]:
    (tmp_path / "test_own.py").write_text(TESTS.replace("SEED", str(seed)))
    ended = forked(partial(own_pytest, tmp_path, "--strict-markers", "-W", "error", *arguments),
                   limit=300, PYTEST_DISABLE_PLUGIN_AUTOLOAD=1)  # fmt: skip
    return ended.status, ended.out + ended.err


def own_pytest(folder: Path, *arguments: str) -> None:
    """A fork's pytest; it ends the process."""
    os.chdir(folder)
    raise SystemExit(int(pytest.main([*PLUGINS, *arguments])))


def test_a_wrong_gradient_fails_its_test_with_the_message(tmp_path):
    status, out = run(tmp_path)
    assert status == 1
    assert "1 failed, 4 passed" in out
    assert "AssertionError: function is wrong: dx[" in out
    assert "rounding units, square by" in out
    assert "pytest_plugin.py" not in out  # the traceback ends in the test


def test_a_debugger_has_the_terminal(tmp_path):
    text = """
import io
import sys

from npformer.verify import WithVJP


def test_wrong(check_gradients):
    sys.stdin = io.StringIO("quit\\n")
    check_gradients(WithVJP(lambda x: x * x, lambda dy, x: dy * x), "bt", cases=6, debug=True)
"""
    (tmp_path / "test_own.py").write_text(text)
    ended = forked(partial(own_pytest, tmp_path), PYTEST_DISABLE_PLUGIN_AUTOLOAD=1)
    assert ended.status == 1
    shown = ended.out.partition("FAILURES")[0]  # as it happened, and not what was captured
    assert "is wrong: dx[" in shown and "(Pdb)" in shown


def test_the_seed_is_that_of_hypothesis(tmp_path):
    status, out = run(tmp_path, "--hypothesis-seed=5", "-k", "right or marked", seed=5)
    assert status == 0, out


def test_the_marker_selects(tmp_path):
    _, out = run(tmp_path, "-m", "npformer", "--collect-only", "-q")
    assert "4/5 tests collected (1 deselected)" in out


def test_the_marker_is_explained(tmp_path):
    assert "@pytest.mark.npformer(cases=, seed=, dtypes=, shrink=)" in run(tmp_path, "--markers")[1]


def test_nothing_heavy_is_imported_where_nothing_is_checked(tmp_path):
    text = """
import sys


def test_light():
    assert "npformer.pytest_plugin" in sys.modules
    assert not {"numpy", "torch", "npformer.verify"} & set(sys.modules)
"""
    (tmp_path / "test_own.py").write_text(text)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-W", "error", *PLUGINS[:2]],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("name", ["npformer.pytest_plugin"])
def test_installing_the_package_brings_it(name):
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert f"pytest11 =\n    npformer = {name}\n" in setup
