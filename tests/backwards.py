"""The table of docs/backwards.md, from the sources; ``python -m tests.backwards`` writes it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from npformer.exercises.catalogue import catalogue

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
TABLE_PAGE = ROOT / "docs" / "backwards.md"
TABLE = re.compile(r"(<!-- backwards: .*? -->\n).*?(<!-- end -->)", re.DOTALL)
HEAD = "| the backward of | file | chapter | exercises |\n|---|---|---|---|\n"


def with_table(text: str) -> str:
    """The page's text with the table as it has to be."""
    return TABLE.sub(lambda found: f"{found[1]}{HEAD}{''.join(_rows())}{found[2]}", text)


def _rows() -> list[str]:
    """A row for each file with a backward of its own; a module named like an op only wraps it."""
    ops = {
        path.stem for path in (ROOT / "npformer/ops").glob("*.py") if _has_backward(_parsed(path))
    }
    files = [
        path
        for folder in ("ops", "nn", "models")
        for path in sorted((ROOT / "npformer" / folder).rglob("*.py"))
        if folder == "ops" or path.stem not in ops
    ]
    return [_row(path, tree) for path in files if _has_backward(tree := _parsed(path))]


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _has_backward(tree: ast.Module) -> bool:
    """Whether the file defines a public ``x_backward``, or a public class with a ``backward``."""
    public = [node for node in tree.body if not getattr(node, "name", "_").startswith("_")]
    functions = {node.name for node in public if isinstance(node, ast.FunctionDef)}
    classes = [node for node in public if isinstance(node, ast.ClassDef)]
    methods = {getattr(part, "name", "") for node in classes for part in node.body}
    return "backward" in methods or any(name.endswith("_backward") for name in functions)


def _row(path: Path, tree: ast.Module) -> str:
    docstring = ast.get_docstring(tree) or ""
    title = re.split(r"[:.,(]", docstring, maxsplit=1)[0].strip().removeprefix("The ")
    chapters = re.findall(r"^Chapter {5}(walkthroughs/(\d+)_\w+\.md)$", docstring, re.MULTILINE)
    exercises = [e.short for e in catalogue() if f"{path.stem}_backward" in e.functions]
    ours, shown = path.relative_to(ROOT).as_posix(), path.relative_to(ROOT / "npformer").as_posix()
    cells = (
        title[:1].upper() + title[1:],
        f"[`{shown}`](../{ours})",
        ", ".join(f"[{int(number)}](../{file})" for file, number in chapters),
        ", ".join(f"`{name}`" for name in exercises),
    )
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    TABLE_PAGE.write_text(with_table(TABLE_PAGE.read_text(encoding="utf-8")), encoding="utf-8")
