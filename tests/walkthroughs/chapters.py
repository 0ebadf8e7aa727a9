"""The chapters as text: their cells, sections, links."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WALKTHROUGHS = ROOT / "walkthroughs"

CELL = "{code-cell} ipython3"


@dataclass(frozen=True)
class Block:
    """A fenced block of code."""

    info: str
    """What stands behind the fence."""
    line: int
    """Of its first line of code, from 1."""
    code: str
    options: dict[str, str]

    @property
    def alt(self) -> str:
        """The text for those who do not see the picture that the cell draws."""
        image = json.loads(self.options.get("mystnb", "{}")).get("image", {})
        return image.get("alt", "")


@dataclass(frozen=True)
class Chapter:
    """A file of ``walkthroughs``."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def blocks(self) -> list[Block]:
        """All fenced blocks, in order."""
        return list(_blocks(self.text.splitlines()))

    @cached_property
    def prose(self) -> str:
        """The text without its fenced blocks and formulas, line for line."""
        text = re.sub(r"^```.*?^```$", _blank, self.text, flags=re.MULTILINE | re.DOTALL)
        return re.sub(r"^\$\$$.*?^\$\$$", _blank, text, flags=re.MULTILINE | re.DOTALL)

    @property
    def title(self) -> str:
        return re.findall(r"^# (.*)$", self.prose, re.MULTILINE)[0]

    @property
    def sections(self) -> list[str]:
        return re.findall(r"^## (.*)$", self.prose, re.MULTILINE)

    @property
    def links(self) -> list[str]:
        """Targets of the links within the repository, without fragments."""
        found = re.findall(r"\]\(([^)\s]+)\)", self.prose)
        return [t.partition("#")[0] for t in found if not re.match(r"\w+:|#", t)]

    @property
    def files(self) -> list[str]:
        """What its Files line names, from the root of the repository."""
        paragraph = re.search(r"^\*\*Files:\*\* (.*?)\n\n", self.prose, re.MULTILINE | re.DOTALL)
        targets = re.findall(r"\]\(\.\./([^)]+)\)", paragraph[1]) if paragraph else []
        return targets


def chapters() -> list[Chapter]:
    """Every notebook, in the order of reading: all but the table of contents."""
    return [Chapter(p) for p in sorted(WALKTHROUGHS.glob("*.md")) if p.stem != "index"]


def _blank(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")


def _blocks(lines: list[str]):
    number = 0
    while number < len(lines):
        line = lines[number]
        if line.startswith("```"):
            info, number, options = line[3:].strip(), number + 1, {}
            while option := re.match(r":(\w+): (.*)$", lines[number]):
                options[option[1]] = option[2]
                number += 1
            first = number
            while lines[number] != "```":
                number += 1
            code = "\n".join(lines[first:number])
            yield Block(info, first + 1, code, options)
        number += 1
