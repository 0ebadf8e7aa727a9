"""The pages under docs run: their code in order, and it prints what they show."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "checking_your_own.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d+(\.\d+)?(e[+-]\d+)?")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty directory, from which the page's files are imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == tmp_path:
            del sys.modules[name]


def test_the_page_on_checking_your_own(here):
    namespace = {"__name__": "page"}
    printed = ""
    for kind, code in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "text":
            assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", code).split()
        if kind != "python":
            continue
        if file := re.match(r"# (\w+\.py)\n", code):
            (here / file[1]).write_text(code, encoding="utf-8")
            continue
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, PAGE.name, "exec"), namespace)
        printed = out.getvalue()
    plugins = ("-p", "npformer.pytest_plugin", "-p", "_hypothesis_pytestplugin")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--strict-markers", *plugins],
        cwd=here,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": f"{ROOT}:{here}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "2 passed" in ended.stdout, ended.stdout + ended.stderr


def test_the_commands_on_the_page_parse():
    import shlex

    from npformer.cli.arguments import parse
    from npformer.cli.verify import Command

    commands = re.findall(r"^npformer verify (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) >= 2
    for command in commands:
        assert parse(Command, "npformer verify", shlex.split(command)).implementation
