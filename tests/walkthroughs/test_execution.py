"""Every cell of every chapter runs, in order, in a fresh process, and so does every answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.walkthroughs.chapters import ROOT, WALKTHROUGHS, chapters

EXECUTE = Path(__file__).with_name("execute.py")


def run(path: Path) -> subprocess.CompletedProcess[str]:
    quick = {"MPLBACKEND": "Agg", "NPFORMER_QUICK": "1"}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **quick}
    return subprocess.run(
        [sys.executable, str(EXECUTE), str(path)],
        cwd=WALKTHROUGHS,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("chapter", chapters(), ids=lambda chapter: chapter.name)
def test_a_chapter_runs_from_top_to_bottom_and_so_do_its_answers(chapter):
    ended = run(chapter.path)
    assert ended.returncode == 0, ended.stderr[-3000:]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```{code-cell} ipython3\nx = 1\n1 / 0\n```\n", "line 3"),
        ("<details>\n\n```python\nassert not y\n```\n\n</details>\n", "NameError"),
        (
            "```{code-cell} ipython3\nimport matplotlib.pyplot as plt\nplt.plot([1])\n```\n",
            "without alt text",
        ),
    ],
    ids=["cell", "answer", "picture"],
)
def test_a_chapter_that_fails_is_noticed(tmp_path, text, complaint):
    path = tmp_path / "chapter.md"
    path.write_text(text)
    ended = run(path)
    assert ended.returncode == 1
    assert complaint in ended.stderr


def test_answers_see_what_the_cells_have_defined(tmp_path):
    path = tmp_path / "chapter.md"
    path.write_text(
        "<details>\n\n```python\nprint(y + 1)\n```\n\n</details>\n\n"
        '```{code-cell} ipython3\n:mystnb: {"image": {"alt": "none"}}\ny = 41\ny\n```\n'
    )
    assert run(path).stdout.split() == ["41", "42"]
