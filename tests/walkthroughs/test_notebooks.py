"""``make notebooks``: a chapter as a notebook that Jupyter can run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

from tests.walkthroughs.chapters import CELL, ROOT, WALKTHROUGHS, Chapter

CHAPTER = Chapter(WALKTHROUGHS / "00_how_to_read.md")


@pytest.fixture(scope="module")
def notebook(tmp_path_factory) -> nbformat.NotebookNode:
    path = tmp_path_factory.mktemp("notebooks") / CHAPTER.path.name
    shutil.copy(CHAPTER.path, path)
    venv = Path(sys.prefix)
    subprocess.run(
        # -o: the environment that the tests run in is taken as it is.
        ["make", "notebooks", f"VENV={venv}", f"CHAPTERS={path}", "-o", f"{venv}/installed-docs"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return nbformat.read(path.with_suffix(".ipynb"), as_version=4)


def test_a_notebook_has_the_chapters_cells(notebook):
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert code == [block.code for block in CHAPTER.blocks if block.info == CELL]


def test_links_lead_to_other_notebooks_and_to_the_package(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert "](01_linear.ipynb)" in text
    assert "](../npformer/ops/array.py)" in text
    assert "_linear.md)" not in text


def test_a_notebook_runs_where_the_chapters_are(notebook):
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(WALKTHROUGHS)}}
    )
    client.execute()
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
