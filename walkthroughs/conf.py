"""Sphinx: the walkthroughs, executed, as a site. ``make site`` writes build/site.

The build is the chapters' test. Every chapter runs in a kernel of its own (of many chapters, in a
fork that has the imports: kernels.py) with this directory as its working directory: its cells, and
then the code in its folded answers, which no page shows. A chapter whose cells or answers raise, a
picture without alt text, and any warning of Sphinx's fail the build. Outputs are kept in
build/cells and used again until a line of the package or of the chapter changes.

A chapter may write files for the reader into ``_generated`` (git ignores it) and refer to them by
that relative path; they are copied into the site under the same name. Chapter 13 writes
``_generated/explorer.html`` so.

Needs the extra ``docs``: pip install -e '.[docs]'
"""

from __future__ import annotations

import hashlib
import html
import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

NEEDED = ("sphinx", "myst_nb", "furo", "sphinx-mathjax-offline", "optuna", "torch")
missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
if missing:
    message = f"the site needs {', '.join(missing)}: install them by pip install -e '.[docs]'"
    if __name__ == "__main__" or "sphinx" in missing:
        raise SystemExit(message)
    from sphinx.errors import ConfigError

    raise ConfigError(message)

# `python walkthroughs/conf.py` says whether the site can be built; the rest is for Sphinx.
if __name__ == "__main__":
    sys.exit()

from docutils import nodes  # noqa: E402
from jupyter_cache import get_cache  # noqa: E402
from markdown_it import MarkdownIt  # noqa: E402
from sphinx import addnodes  # noqa: E402
from sphinx.errors import ExtensionError  # noqa: E402
from sphinx.util import logging  # noqa: E402

project = "npformer"
author = "the npformer authors"
html_title = "npformer walkthroughs"
language = "en"
extensions = ["myst_nb"]
exclude_patterns = ["_generated", "*.ipynb", ".ipynb_checkpoints"]

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
templates_path: list[str] = []
pygments_style, pygments_dark_style = "friendly", "monokai"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# MathJax's own files, from a package, so that the site shows its formulas without a network.
MATHJAX = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static/mathjax"
mathjax_path = "mathjax/tex-chtml.js"

GENERATED = HERE / "_generated"

# Kernels start without the user's own IPython settings, and without remarks on their transport.
os.environ["IPYTHONDIR"] = str(ROOT / "build" / "ipython")
profile = ROOT / "build" / "ipython" / "profile_default"
profile.mkdir(parents=True, exist_ok=True)
(profile / "ipython_kernel_config.py").write_text("get_config().IPKernelApp.log_level = 40\n")

MANY = 5
"""Chapters from which on it pays to import once, for all kernels, what some of them need."""
if len(list(HERE.glob("[0-9]*.md"))) >= MANY:
    sys.path.insert(0, str(HERE))
    os.environ["MATPLOTLIBRC"] = str(HERE / "matplotlibrc")
    importlib.import_module("kernels").fork_kernels()


def _digest() -> str:
    """Of all the code that a chapter's outputs depend on, besides its own cells."""
    files = [HERE / "trained.py", HERE / "matplotlibrc"]
    for package in ("npformer", "torch_ref"):
        files += sorted(
            p for p in (ROOT / package).rglob("*") if p.is_file() and p.suffix != ".pyc"
        )
    digest = hashlib.sha256()
    for file in files:
        digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


nb_execution_mode = "cache"
nb_execution_cache_path = str(ROOT / "build" / "cells" / _digest())
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True
nb_render_markdown_format = "myst"  # tables in outputs

# Where what the cached chapters wrote is gone, they run again.
again = not GENERATED.is_dir()
if again:
    shutil.rmtree(nb_execution_cache_path, ignore_errors=True)

# The cache's tables exist before the two readers start, which would both make them.
get_cache(nb_execution_cache_path).db.dispose()

# Links from a chapter to a file of the package. GitHub shows the file; the site makes a page of it.
LINK = re.compile(r"\]\(\.\./([^)#\s]+\.(?:py|md))(?:#[^)\s]*)?\)")
LINKED = {
    path
    for chapter in sorted(HERE.glob("*.md"))
    for path in LINK.findall(chapter.read_text(encoding="utf-8"))
    if (ROOT / path).is_file()
}
CHAPTER = re.compile(r"^Chapter +walkthroughs/(\w+)\.md$", re.MULTILINE)


FOLDED = re.compile(r"^<details>$.*?^</details>$", re.MULTILINE | re.DOTALL)
ANSWER = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def add_answers(app: Any, name: str, source: list[str]) -> None:
    """The code in a chapter's answers becomes hidden cells behind all others."""
    for answer in ANSWER.findall("\n".join(FOLDED.findall(source[0]))):
        source[0] += f"\n```{{code-cell}} ipython3\n:tags: [remove-cell]\n\n{answer}```\n"


def pictures_need_words(app: Any, doctree: nodes.document) -> None:
    """Alt text, for those who do not see the picture."""
    for image in doctree.findall(nodes.image):
        if not image.get("alt"):
            logging.getLogger(__name__).warning("a picture without alt text", location=image)


def run_again(app: Any, env: Any, *documents: set[str]) -> set[str]:
    """Sphinx would not even read a chapter that has not changed."""
    return set(env.found_docs) if again else set()


def link_to_pages(app: Any, doctree: nodes.document) -> None:
    """A link to a file leads to its page.

    MyST itself would offer Python as a download, and take Markdown for a document of this site.
    """
    for node in list(doctree.findall(addnodes.download_reference)):
        _link_to_page(node, (HERE / node["reftarget"]).resolve())
    for node in list(doctree.findall(addnodes.pending_xref)):
        if node["reftarget"].startswith("/"):
            _link_to_page(node, Path(f"{node['reftarget']}.md").resolve())


def _link_to_page(node: nodes.Element, file: Path) -> None:
    path = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else ""
    if path in LINKED:
        uri = f"source/{path}.html"
        node.replace_self(nodes.reference("", "", *node.children, internal=True, refuri=uri))


def source_pages(app: Any) -> Iterator[tuple[str, dict[str, Any], str]]:
    """One page for each linked file: Python highlighted, Markdown rendered."""
    markdown = MarkdownIt("commonmark").enable("table")
    for path in sorted(LINKED):
        text = (ROOT / path).read_text(encoding="utf-8")
        up = "../" * (path.count("/") + 1)
        if path.endswith(".md"):
            body = markdown.render(
                re.sub(r"\]\(\S*walkthroughs/(\w+)\.md\)", rf"]({up}\1.html)", text)
            )
        else:
            chapters = "".join(
                f'<p>Chapter: <a href="{up}{name}.html">{html.escape(name)}</a></p>'
                for name in CHAPTER.findall(text)
            )
            code = app.builder.highlighter.highlight_block(text, "python", linenos="inline")
            body = f"<h1>{html.escape(path)}</h1>{chapters}{code}"
        yield f"source/{path}", {"title": path, "body": body}, "page.html"


def copy_files(app: Any, exception: Exception | None) -> None:
    """MathJax, and what the chapters have written, into the site."""
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    shutil.copytree(MATHJAX, out / "_static" / "mathjax", dirs_exist_ok=True)
    if GENERATED.is_dir():
        shutil.copytree(GENERATED, out / GENERATED.name, dirs_exist_ok=True)
    for page in out.glob("*.html"):
        for name in re.findall(r'(?:src|href)="(_generated/[^"#]+)', page.read_text("utf-8")):
            if not (out / name).is_file():
                raise ExtensionError(f"{page.name} shows {name}, which its chapter did not write")


def setup(app: Any) -> dict[str, bool]:
    """Links change before the collectors of Sphinx see the doctree, hence the priority."""
    app.connect("env-get-outdated", run_again)
    app.connect("source-read", add_answers)
    app.connect("doctree-read", link_to_pages, priority=100)
    app.connect("doctree-read", pictures_need_words)
    app.connect("html-collect-pages", source_pages)
    app.connect("build-finished", copy_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
