"""Runs a chapter as a reader would, and then the code in its answers: ``execute.py CHAPTER.md``.

The cells share one namespace, and the value of a cell's last expression is shown as in a notebook.
A cell that draws must describe its picture.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from tests.walkthroughs.chapters import ANSWER, CELL, Block, Chapter


def execute(chapter: Chapter) -> None:
    """Every cell, then every answer. Raises what they raise."""
    namespace = {"__name__": "__main__"}
    for block in chapter.blocks:
        if block.info == CELL:
            _run(block, chapter.path, namespace)
    for block in chapter.blocks:
        if block.info == ANSWER and block.folded:
            _run(block, chapter.path, namespace)


def _run(block: Block, path: Path, namespace: dict[str, object]) -> None:
    # Blank lines in front, so that a traceback names the line of the chapter.
    tree = ast.parse("\n" * (block.line - 1) + block.code, str(path))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, str(path), "exec"), namespace)
    value = None
    if last is not None:
        value = eval(compile(ast.Expression(last.value), str(path), "eval"), namespace)
        _show(value)
    if (plt.get_fignums() or isinstance(value, Figure)) and block.info == CELL and not block.alt:
        raise AssertionError(f"{path.name}, line {block.line}: a picture without alt text")
    plt.close("all")


def _show(value: object) -> None:
    for name in ("_repr_markdown_", "_repr_html_"):
        if hasattr(value, name):
            print(getattr(value, name)())
            return
    if value is not None:
        print(repr(value))


if __name__ == "__main__":
    # A chapter's own imports come from where it lies, as in a notebook.
    sys.path[0] = str(Path.cwd())
    execute(Chapter(Path(sys.argv[1]).resolve()))
