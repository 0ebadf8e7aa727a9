"""README and the pages under docs: their code runs, their commands parse, their links lead on."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import shlex
import sys
from pathlib import Path

import pytest

from npformer.cli.arguments import parse
from npformer.verify import check
from tests.backwards import README, ROOT, TABLE_PAGE, with_table
from tests.forked import forked

PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGE = ROOT / "docs" / "checking_your_own.md"
FAMILIES = ROOT / "docs" / "families.md"
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


@contextlib.contextmanager
def fewer_cases():
    """What a page does not show the output of runs on fewer cases, and is not shrunk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(check.__kwdefaults__, "cases", 40)
        patch.setitem(check.__kwdefaults__, "shrink", False)
        yield


def test_the_page_on_checking_your_own(here):
    namespace = {"__name__": "page"}
    printed = ""
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    for (kind, code), (following, _) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if kind == "text":
            assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", code).split()
        if kind != "python":
            continue
        if file := re.match(r"# (\w+\.py)\n", code):
            (here / file[1]).write_text(code, encoding="utf-8")
            continue
        out = io.StringIO()
        as_shown = contextlib.nullcontext() if following == "text" else fewer_cases()
        with contextlib.redirect_stdout(out), as_shown:
            exec(compile(code, PAGE.name, "exec"), namespace)
        printed = out.getvalue()
    plugins = ("-p", "npformer.pytest_plugin", "-p", "_hypothesis_pytestplugin")
    ended = forked(
        lambda: pytest.main(["-q", "--strict-markers", *plugins]),
        limit=300,
        PYTEST_DISABLE_PLUGIN_AUTOLOAD=1,
    )
    assert "2 passed" in ended.out, ended.out + ended.err


def test_the_page_on_families():
    code = [code for kind, code in BLOCK.findall(FAMILIES.read_text("utf-8")) if kind == "python"]
    assert code
    exec(compile("\n".join(code), FAMILIES.name, "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_on_a_page_parse(page):
    for words in commands(page):
        name, *rest = words
        command = importlib.import_module(f"npformer.cli.{name}").Command
        default = command.default(rest) if hasattr(command, "default") else None
        parse(command, f"npformer {name}", rest, default=default)


def commands(page: Path) -> list[list[str]]:
    """Every ``npformer ...`` in the page's blocks, as words, that needs no run and is not cut."""
    blocks = [code.replace("\\\n", " ") for _, code in BLOCK.findall(page.read_text("utf-8"))]
    lines = [line for code in blocks for line in re.findall(r"^npformer (.*)$", code, re.MULTILINE)]
    found = [shlex.split(line, comments=True) for line in lines]
    return [words for words in found if not {"...", "--resume"} & set(words)]


def test_the_pages_show_commands():
    assert {"verify", "train", "plan", "baseline"} <= {
        w[0] for page in PAGES for w in commands(page)
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_of_a_page_lead_to_files_and_headings(page):
    for target, heading in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text("utf-8")):
        file = page.parent / target if target else page
        assert file.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w\- ]", "", t).lower().replace(" ", "-") for t in titles}


def test_the_table_of_backwards_is_that_of_the_sources():
    text = TABLE_PAGE.read_text(encoding="utf-8")
    assert text == with_table(text), "the table is out of date; run python -m tests.backwards"
