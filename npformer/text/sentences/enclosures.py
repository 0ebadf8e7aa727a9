"""Quotations and brackets that are short enough to be kept with their sentence."""

from __future__ import annotations

import re
from collections import deque

_LONGEST = 200  # characters; a longer one is cut into sentences
_WHOLE = 40  # a shorter one is never cut
_MARKS = re.compile(r"[\"()\[\]{}“”„«»‹›「」『』（）《》]")
_OPENS = {
    "”": "“„”",
    "“": "„",
    "»": "«",
    "«": "»",
    "›": "‹",
    "‹": "›",
    ")": "(",
    "]": "[",
    "}": "{",
    "」": "「",
    "』": "『",
    "）": "（",
    "》": "《",
    '"': '"',
}
_ONLY_CLOSE = frozenset(")]}」』）》")
_KINDS = [(pair[0], pair[1]) for pair in "() [] {} “” „“ «» »« ‹› 「」 『』 （） 《》".split()]
_KINDS.append(('"', '"'))
_ASCII_KINDS = [kind for kind in _KINDS if kind[0].isascii()]
_GOES_ON = re.compile(r"[\s\"”’“»«)\]]*([^\s\"”’“»«)\]])")


def first_mark(text: str, at: int) -> int:
    """The offset of the first quote or bracket at ``at`` or later, or the text's length."""
    found = _MARKS.search(text, at)
    return found.start() if found else len(text)


class Enclosures:
    """Those of one text, to be asked from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: deque[tuple[int, int]] | None = None

    def keep(self, begin: int, end: int) -> bool:
        """Whether the sentence from ``begin`` goes on at ``end``, to the closing mark around it.

        It does in a short enclosure, and where the sentence around it goes on.
        """
        text, since = self._text, max(begin, end - _LONGEST)
        if not _may_be_open(text, since, end):
            return False
        if self._found is None:
            self._found = deque(_pairs(self._text))
        pairs = self._found
        while pairs and pairs[0][1] < end:
            pairs.popleft()
        if not pairs or pairs[0][0] >= end:
            return False
        opens, closes = pairs[0]
        if closes - opens <= _WHOLE:
            return True
        following = _GOES_ON.match(self._text, closes + 1)
        opened_first = self._text[opens] in "([{" and not self._text[begin:opens].strip()
        if following is None or opened_first:
            return False
        return following.group(1).islower() or following.group(1) in ",;:，；："


def _may_be_open(text: str, begin: int, end: int) -> bool:
    count = text.count
    for opens, closes in _ASCII_KINDS if text.isascii() else _KINDS:
        opened = count(opens, begin, end)
        if opened and (opened % 2 if opens == closes else opened != count(closes, begin, end)):
            return True
    return False


def _pairs(text: str) -> list[tuple[int, int]]:
    """(open, close) offsets of the outermost that are short enough, in order."""
    stack: list[tuple[str, int]] = []
    pairs: list[tuple[int, int]] = []
    for match in _MARKS.finditer(text):
        mark, at = match.group(), match.start()
        if mark == '"' and text[at - 1 : at].isspace() and not text[at + 1 : at + 2].isspace():
            stack = [(m, n) for m, n in stack[-4:] if m != '"']  # it opens: the last was inches
        elif stack and stack[-1][0] in _OPENS.get(mark, ""):
            begin = stack.pop()[1]
            if at - begin <= _LONGEST:
                while pairs and pairs[-1][0] > begin:
                    pairs.pop()
                pairs.append((begin, at))
            continue
        if mark not in _ONLY_CLOSE:
            stack.append((mark, at))
    return pairs
