"""Items of a list that stand in one line: 1. Mix the flour 2. Add the water."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from npformer.text.sentences.marks import BULLETS

_MARK = re.compile(r"\s(\(?)(\w{1,5}+)(\.\)|\)\.|[.)])(?=\s)")
_VALUE = re.compile(r"\d{1,3}|[a-z]|[A-Z]|[ivx]{1,5}|[IVX]{1,5}")
_BULLET = re.compile(rf"(?<!\S)[{BULLETS}]")
_AT_START = re.compile(r"\s*+\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)]")
_INSIDE = re.compile(r"\s\(?[1aAiI][.)]")
_AFTER_COLON = re.compile(":" + _INSIDE.pattern)
_BEFORE_FIRST = frozenset(".:!?")
# A number after these is no item's: "it fell from 1. to 2. Then ..."
_COUNTED = frozenset(
    "to of by than and or is was in at on from version chapter step part no nr figure table page"
    " zu von und oder auf ist war kapitel schritt teil seite a y e et och og en i и".split()
)
_ROMAN = "i ii iii iv v vi vii viii ix x xi xii xiii xiv xv".split()


class Item(NamedTuple):
    begin: int  # of the marker
    end: int  # of the marker


class _Run(NamedTuple):
    following: frozenset[str]  # markers that may come next
    items: list[Item]


def may_list(text: str) -> bool:
    """Whether the first item of a list may be at the start of ``text`` or behind a colon."""
    return (
        text[:1] in BULLETS
        or (":" in text and _AFTER_COLON.search(text) is not None)
        or ((")" in text[:7] or "." in text[:7]) and _AT_START.match(text) is not None)
    )


def begins_list(text: str, at: int) -> bool:
    """Whether the first item of a list may be at ``at``, where a sentence ended."""
    return _INSIDE.match(text, at) is not None


def list_items(text: str) -> list[Item]:
    """The items of lists of two or more, in order; the first one too."""
    if text[:1] in BULLETS:
        found = [Item(m.start(), m.end()) for m in _BULLET.finditer(text)]
        return found if len(found) > 1 else []
    runs: dict[tuple[str, str, str], _Run] = {}
    done: list[_Run] = []
    for match in _MARK.finditer(f" {text}"):  # start() is the marker's in text, end() - 1 too
        opening, value, closing = match.groups()
        if not _VALUE.fullmatch(value):
            continue
        style = (opening, closing, "9" if value[0].isdigit() else "a" if value.islower() else "A")
        run = runs.get(style)
        if run is not None and value in run.following and _follows(text, run, match, style):
            runs[style] = _Run(_after(value), run.items)
        elif _may_be_first(text, match, value):
            done.extend([run] if run else [])
            run = runs[style] = _Run(_after(value), [])
        else:
            continue
        run.items.append(Item(match.start(), match.end() - 1))
    return sorted(item for run in [*done, *runs.values()] for item in _whole(text, run))


def _after(value: str) -> frozenset[str]:
    if value.isdigit():
        return frozenset([str(int(value) + 1)])
    small = value.lower()
    following = [chr(ord(small) + 1)] if len(small) == 1 and small != "z" else []
    if small in _ROMAN[:-1]:
        following.append(_ROMAN[_ROMAN.index(small) + 1])
    return frozenset(following if value.islower() else [f.upper() for f in following])


def _may_be_first(text: str, match: re.Match[str], value: str) -> bool:
    """Any marker at the beginning of the text; inside, the first of its kind after a stop."""
    before = text[max(0, match.start() - 8) : match.start()].strip()
    if not before:
        return match.start() < 8
    return value in ("1", "a", "i", "A", "I") and before[-1] in _BEFORE_FIRST


def _follows(text: str, run: _Run, match: re.Match[str], style: tuple[str, str, str]) -> bool:
    """Whether ``match`` may be the next item: not a number or an initial in the last one's text."""
    last = text[max(run.items[-1].end, match.start() - 24) : match.start()].split()
    if not last or last[-1][-1] in ",;" or last[-1].lower() in _COUNTED:
        return False
    if last[-1][-1] in ".!?":
        return True
    first, this = (text[end : end + 2].strip()[:1] for end in (run.items[-1].end, match.end() - 1))
    return first.islower() == this.islower()


def _whole(text: str, run: _Run) -> Iterator[Item]:
    """The items of a run, if it is a list: A. Smith and B. Jones are not one."""
    if len(run.items) < 2:
        return
    first, second = run.items[:2]
    if text[first.begin].isupper() and text[first.end - 1] == ".":
        before = text[max(0, first.begin - 4) : first.begin].rstrip()[-1:]
        stopped = text[second.begin - 4 : second.begin].rstrip()[-1:] in (".", "!", "?")
        if before == "." or (len(run.items) < 3 and not stopped):
            return
    yield from run.items
