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
from tests.walkthroughs.test_structure import FRONT_MATTER

CHAPTER = Chapter(WALKTHROUGHS / "00_how_to_read.md")
# The chapters' own cells are executed by the site's build; here are some that need the folder.
SMALL = f"""{FRONT_MATTER}Small

```{{code-cell}} ipython3
from trained import configuration
```

```{{code-cell}} ipython3
configuration().model.d_model
```
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Notebooks of a chapter and of ``SMALL``."""
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copy(CHAPTER.path, folder)
    (folder / "small.md").write_text(SMALL)
    venv, chapters = Path(sys.prefix), " ".join(map(str, folder.glob("*.md")))
    settings = (f"VENV={venv}", f"CHAPTERS={chapters}")
    subprocess.run(
        # -o: the environment that the tests run in is taken as it is.
        ["make", "notebooks", *settings, "-o", f"{venv}/installed-docs"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture(scope="module")
def notebook(folder) -> nbformat.NotebookNode:
    return nbformat.read(folder / f"{CHAPTER.name}.ipynb", as_version=4)


def test_a_notebook_has_the_chapters_cells(notebook):
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert code == [block.code for block in CHAPTER.blocks if block.info == CELL]


def test_links_lead_to_other_notebooks_and_to_the_package(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert "](01_linear.ipynb)" in text
    assert "](../npformer/ops/array.py)" in text
    assert "_linear.md)" not in text


def test_a_notebook_runs_where_the_chapters_are(folder):
    notebook = nbformat.read(folder / "small.ipynb", as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(WALKTHROUGHS)}}
    ).execute()
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"] == [1, 2]
    assert notebook.cells[-1].outputs[0].data["text/plain"] == "128"
