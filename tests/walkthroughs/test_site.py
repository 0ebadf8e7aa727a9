"""The site's configuration on a chapter of a few cells: what reaches the pages, and what fails."""

from __future__ import annotations

import importlib.util
import os
import re
import runpy
import shutil
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

# What a fork would import for itself, each time.
import furo  # noqa: F401
import myst_nb.sphinx_ext  # noqa: F401
import pytest
import sphinx.cmd.build
from sphinx.errors import ConfigError

from tests.forked import Ended, forked
from tests.walkthroughs.chapters import WALKTHROUGHS
from tests.walkthroughs.test_structure import FRONT_MATTER

CONF = WALKTHROUGHS / "conf.py"
CHAPTER = f"""{FRONT_MATTER}1. One

**Files:** [npformer/ops/one.py](../npformer/ops/one.py), [notes](../npformer/NOTES.md)

A formula, $dx = dy$.

```{{code-cell}} ipython3
:mystnb: {{"image": {{"alt": "a straight line"}}}}
import matplotlib.pyplot as plt

plt.plot([1, 2])
plt.show()
```

```{{code-cell}} ipython3
from pathlib import Path

Path("_generated").mkdir(exist_ok=True)
_ = Path("_generated/explorer.html").write_text("<p>inside</p>")
```

```{{code-cell}} ipython3
class Table:
    def _repr_markdown_(self):
        return "| a | b |\\n| --- | --: |\\n| one | 2 |"


Table()
```

<iframe src="_generated/explorer.html" title="the explorer"></iframe>

<details>
<summary>Answer</summary>

It is **folded**, and its code runs behind all cells.

```python
Path("_generated/answer.txt").write_text(last)
```

</details>

```{{code-cell}} ipython3
last = "seen by the answer"
```
"""


def sources(root: Path, chapter: str) -> Path:
    """A repository with one chapter and the site's real configuration."""
    walkthroughs = root / "walkthroughs"
    shutil.copytree(WALKTHROUGHS / "_static", walkthroughs / "_static")
    for name in ("conf.py", "matplotlibrc", "trained.py"):
        shutil.copy(WALKTHROUGHS / name, walkthroughs)
    (walkthroughs / "index.md").write_text("# All\n\n```{toctree}\n01_one\n```\n")
    (walkthroughs / "01_one.md").write_text(chapter)
    ops = root / "npformer" / "ops"
    ops.mkdir(parents=True)
    (ops / "one.py").write_text('"""One.\n\nChapter     walkthroughs/01_one.md\n"""\n\nONE = 1\n')
    (root / "npformer" / "NOTES.md").write_text("# Notes\n\n[one](../walkthroughs/01_one.md)\n")
    return root


def build(root: Path) -> Ended:
    """Sphinx in a fork; its status is ``result``."""
    return forked(partial(own_sphinx, root), OMP_NUM_THREADS=1)


def own_sphinx(root: Path) -> int:
    os.chdir(root)
    warnings.resetwarnings()
    return sphinx.cmd.build.main(["-W", "-q", "walkthroughs", "build/site"])


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = sources(tmp_path_factory.mktemp("site"), CHAPTER)
    ended = build(root)
    assert ended.result == 0, ended.err
    return root


@pytest.fixture
def site(root) -> Path:
    return root / "build" / "site"


def test_a_picture_a_table_and_a_folded_answer_reach_the_page(site):
    page = (site / "01_one.html").read_text()
    assert re.search(r'<img alt="a straight line"', page)
    assert re.search(r"<td[^>]*><p>one</p></td>", page)
    assert re.search(
        r"<details>\s*<summary>Answer</summary>\s*<p>It is <strong>folded</strong>", page
    )


def test_a_file_of_the_package_has_a_page_that_leads_back(site):
    page = (site / "01_one.html").read_text()
    assert 'href="source/npformer/ops/one.py.html"' in page
    assert 'href="source/npformer/NOTES.md.html"' in page
    source = (site / "source/npformer/ops/one.py.html").read_text()
    assert "ONE" in source
    assert 'href="../../../01_one.html"' in source
    assert 'href="../../01_one.html"' in (site / "source/npformer/NOTES.md.html").read_text()


def test_what_a_chapter_writes_for_the_reader_is_part_of_the_site(site):
    assert (site / "_generated" / "explorer.html").read_text() == "<p>inside</p>"


def test_an_answers_code_runs_and_its_output_is_not_shown(root, site):
    assert (root / "walkthroughs/_generated/answer.txt").read_text() == "seen by the answer"
    # Once, where the answer stands; the value of its last expression would be 18.
    page = (site / "01_one.html").read_text()
    assert page.count("answer.txt") == 1
    assert ">18<" not in page


def test_what_was_written_and_has_gone_is_written_again(root):
    shutil.rmtree(root / "walkthroughs" / "_generated")
    shutil.rmtree(root / "build" / "site" / "_generated")
    ended = build(root)
    assert ended.result == 0, ended.err
    assert (root / "build" / "site" / "_generated" / "explorer.html").is_file()


def test_no_page_loads_anything_from_a_network(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|link|img|iframe)[^>]*?(?:src|href)="([^"]+)"', page.read_text()
        )
        assert not [target for target in loaded if re.match(r"(\w+:)?//", target)], page
    assert 'src="_static/mathjax/tex-chtml.js' in (site / "01_one.html").read_text()
    assert (site / "_static/mathjax/tex-chtml.js").is_file()


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ("```{code-cell} ipython3\n1 / 0\n```\n", "ZeroDivisionError"),
        ("<details>\n\n```python\nassert not y\n```\n\n</details>\n", "NameError"),
        (
            "```{code-cell} ipython3\nimport matplotlib.pyplot as plt\n_ = plt.plot([1])\n```\n",
            "a picture without alt text",
        ),
        ("[nowhere](02_two.md)\n", "cross-reference target not found: '02_two.md'"),
        ('<img src="_generated/missing.png" alt="">\n', "_generated/missing.png"),
    ],
    ids=["cell", "answer", "picture", "link", "file"],
)
def test_a_chapter_with_a_mistake_fails_the_build(tmp_path, cell, complaint):
    ended = build(sources(tmp_path, f"{FRONT_MATTER}1. One\n\n{cell}"))
    assert ended.result
    assert complaint in ended.err


def test_without_its_packages_the_site_says_in_one_line_what_to_install():
    # -S leaves the installed packages out.
    ended = subprocess.run(
        [sys.executable, "-S", str(CONF)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert "sphinx, myst_nb, furo" in line
    assert "pip install -e '.[docs]'" in line


def test_sphinx_without_the_theme_is_told_what_is_missing(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "furo" else real(n))
    with pytest.raises(ConfigError, match=r"the site needs furo: .* '\.\[docs\]'"):
        runpy.run_path(str(CONF))


def test_where_all_is_installed_the_question_has_no_answer():
    ended = subprocess.run([sys.executable, str(CONF)], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
