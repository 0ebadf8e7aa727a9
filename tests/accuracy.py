"""The table in docs/accuracy.md: ``python -m tests.accuracy [NAME ...]`` measures it anew.

All operations take some minutes; with names, the rows of those alone are measured. The rows are in
the registry's order, and a test asks that every operation has one.
"""

from __future__ import annotations

import re
import sys

from npformer.verify import COMPONENTS, run
from npformer.verify.tally import Tally
from tests.backwards import ROOT

PAGE = ROOT / "docs" / "accuracy.md"
ROW = re.compile(r"^\| (\w+) \|.*\n", re.MULTILINE)
CASES = 300
MODELS = ("Transformer", "GPT")


def listed() -> list[str]:
    """The components that the table has: every operation, and two models."""
    ops = [name for name, each in COMPONENTS.items() if each.kind == "op"]
    return [*ops, *MODELS]


def rows() -> dict[str, str]:
    """The lines of the table as it stands, by component."""
    found = {row[1]: row[0] for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))}
    found.pop("component")
    return found


def measured(name: str) -> str:
    """One line: forward and gradients in float64, then in float32, each ours / PyTorch's."""
    wide, narrow = run([name], CASES).results
    return f"| {name} | {' | '.join([*_pairs(wide), *_pairs(narrow)])} |\n"


def _pairs(tally: Tally) -> tuple[str, str]:
    return (
        f"{_number(tally.forward_error)} / {_number(tally.pytorch_forward_error)}",
        f"{_number(tally.gradient_error)} / {_number(tally.pytorch_gradient_error)}",
    )


def _number(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:.2f}" if value < 1e4 else f"{value:.1e}".replace("e+0", "e").replace("e+", "e")


def main(names: list[str]) -> None:
    table = rows()
    for name in names or listed():
        table[name] = measured(name)
        print(table[name], end="", flush=True)
    text = PAGE.read_text(encoding="utf-8")
    first = next(row for row in ROW.finditer(text) if row[1] != "component").start()
    last = max(row.end() for row in ROW.finditer(text))
    body = "".join(table[name] for name in listed() if name in table)
    PAGE.write_text(text[:first] + body + text[last:], encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
