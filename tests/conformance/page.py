"""docs/conformance.md, of what the packages answered."""

from __future__ import annotations

import textwrap
from typing import Any

from tests.conformance.answers import NONE
from tests.conformance.engines import ENGINES, ROOT, recorded
from tests.conformance.questions import QUESTIONS, Question

PAGE = ROOT / "docs" / "conformance.md"
HEAD = f"""# One word, several meanings

The same operation in several packages: what comes out, and what its gradient is. Most of these
numbers are a choice; they are where a model changes, without a message, as it is moved from one
package to another. [Edges](edges.md) has more of npformer's own choices, and the docstrings of the
operations their reasons.

Each package ran on a CPU, in an environment of its own with the versions below; "{NONE}" is what
it does not have, or what was not asked of it. ONNX and OpenVINO run forwards only, so they have no
gradient here; tinygrad ran on its device that is written in Python. Numbers are float32 unless
said, and those below 1e-6 are shown as 0.
`python -m tests.conformance` runs all of them again and writes this page; with names
(`{" ".join(ENGINES)}`) it runs those.
"""


def page() -> str:
    """The text of the page."""
    answers = {name: recorded(name) for name in ENGINES}
    rows = [
        (ENGINES[name].title, ", ".join(map(" ".join, told["versions"].items())), told["python"])
        for name, told in answers.items()
    ]
    parts = [HEAD, _table(("asked", "packages", "Python"), rows)]
    parts += [_section(question, answers) for question in QUESTIONS]
    return "\n".join(parts)


def _section(question: Question, answers: dict[str, Any]) -> str:
    rows = [
        (f"{ENGINES[name].title}: {who}", *_filled(cells, len(question.columns)))
        for name, told in answers.items()
        for who, cells in told["rows"].get(question.key, [])
    ]
    table = _table(("", *question.columns), rows)
    text = textwrap.fill(question.text, 100, break_on_hyphens=False)
    return f"## {question.title}\n\n{text}\n\n{table}"


def _filled(cells: list[str], columns: int) -> list[str]:
    """A row that raised says so once."""
    return [*cells, *[NONE] * (columns - len(cells))]


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
