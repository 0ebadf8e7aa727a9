"""Lines that belong together: what an editor wrapped is one block again."""

from __future__ import annotations

import re
from collections.abc import Iterator

from npformer.text.sentences.boundaries import Boundaries

_ITEM = re.compile(r"\s*+(?:[-*+•‣▪–—]\s|[(]?(?:\d{1,3}|[A-Za-z])[.)]\s)")
_NARROWEST, _WIDEST = 40, 120  # columns at which people's editors wrap text


def blocks(text: str, boundaries: Boundaries) -> Iterator[str]:
    """Every line, stripped, with wrapped lines joined; a blank line is an empty block."""
    paragraph: list[str] = []
    for line in text.splitlines():
        if line.strip():
            paragraph.append(line.rstrip())
            continue
        yield from _unwrap(paragraph, boundaries)
        paragraph = []
        yield ""
    yield from _unwrap(paragraph, boundaries)


def _unwrap(lines: list[str], boundaries: Boundaries) -> Iterator[str]:
    width = max(map(len, lines), default=0)
    if not _NARROWEST <= width <= _WIDEST:
        yield from map(str.strip, lines)
        return
    block: list[str] = []
    for number, line in enumerate(lines):
        block.append(line.strip())
        following = lines[number + 1] if number + 1 < len(lines) else None
        if (
            following is None
            or len(line) + 1 + len(following.split(None, 1)[0]) <= width
            or _ITEM.match(following)
            or boundaries.ends_at(f"{line.strip()} {following.strip()}", len(line.strip()))
        ):
            yield " ".join(block)
            block = []
