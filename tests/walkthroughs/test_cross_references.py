"""A chapter names the files that it stands over, and each of them names its chapter."""

from __future__ import annotations

import ast
import re

import pytest

from tests.walkthroughs.chapters import ROOT, chapters

CHAPTERS = {chapter.name: chapter for chapter in chapters()}
SOURCES = {
    path.relative_to(ROOT).as_posix(): path
    for package in ("npformer", "torch_ref")
    for path in sorted((ROOT / package).rglob("*.py"))
}


def chapters_named_by(name: str) -> list[str]:
    docstring = ast.get_docstring(ast.parse(SOURCES[name].read_text(encoding="utf-8"))) or ""
    return re.findall(r"^Chapter {5}walkthroughs/(\w+)\.md$", docstring, re.MULTILINE)


@pytest.mark.parametrize("name", CHAPTERS)
def test_each_file_of_a_chapter_names_the_chapter(name):
    for file in CHAPTERS[name].files:
        if file.endswith(".py"):
            assert name in chapters_named_by(file), file
        else:
            assert f"walkthroughs/{name}.md" in (ROOT / file).read_text(encoding="utf-8"), file


def test_each_chapter_that_a_file_names_names_the_file():
    named = [(file, name) for file in SOURCES for name in chapters_named_by(file)]
    assert named
    wrong = [(f, n) for f, n in named if n not in CHAPTERS or f not in CHAPTERS[n].files]
    assert not wrong


def test_every_op_has_a_chapter():
    ops = [f for f in SOURCES if f.startswith("npformer/ops/") and not f.endswith("__init__.py")]
    assert ops
    assert not [file for file in ops if not chapters_named_by(file)]
