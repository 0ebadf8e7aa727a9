"""Leaves: words that know which words of the other language they translate.

A node of a derivation owns bits of an integer. Both of its linearisations put those bits into
the masks of the words they write; two words are aligned when their masks share a bit. A
contraction (am = an + dem) carries the bits of both its parts.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

Leaf = tuple[str, int]  # a word, a number such as "3.", or punctuation; and its link mask
Phrase = list[Leaf]

COMMA: Leaf = (",", 0)

_WORDS = re.compile(r"\w+|[^\w\s]")
_CLINGING = {",", ".", "?", "!", "'s"}


class Pair(NamedTuple):
    """A sentence, its translation, and which of their ``words`` answer to which."""

    source: str
    target: str
    alignment: tuple[tuple[int, int], ...]  # (index into words(source), index into words(target))


def words(text: str) -> list[str]:
    """The words of a text: runs of letters and digits; every other visible sign alone.

    >>> words("It is Anna's twenty-first book.")
    ['It', 'is', 'Anna', "'", 's', 'twenty', '-', 'first', 'book', '.']
    """
    return _WORDS.findall(text)


@functools.cache
def _word_count(leaf: str) -> int:
    return len(words(leaf))


class Links:
    """Hands out fresh bits, so that no two nodes of a derivation share one."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 1

    def take(self, count: int = 1) -> int:
        """The lowest of ``count`` fresh bits, as a mask; the others follow by shifting left."""
        bit = self._next
        self._next = bit << count
        return bit


def spell(phrase: Phrase, end: str) -> tuple[str, list[int]]:
    """A sentence's text and the link mask of each of its ``words``.

    Commas of a clause that ends where another begins, or where the sentence ends, are written
    once. The final sign gets the mask 0; ``align`` links it by itself.
    """
    parts: list[str] = []
    masks: list[int] = []
    previous = ","
    for text, mask in phrase:
        if text in _CLINGING:
            if text == previous:
                continue
            parts.append(text)
        else:
            parts.append(" " + text)
        previous = text
        masks += [mask] * _word_count(text)
    if previous == ",":
        parts.pop()
        masks.pop()
    first = parts[0]
    parts[0] = first[1].upper() + first[2:]
    parts.append(end)
    masks.append(0)
    return "".join(parts), masks


def align(source: list[int], target: list[int]) -> tuple[tuple[int, int], ...]:
    """All (i, j) whose masks meet, and the two final signs."""
    pairs = [(i, j) for j, t in enumerate(target) if t for i, s in enumerate(source) if s & t]
    pairs.append((len(source) - 1, len(target) - 1))
    pairs.sort()
    return tuple(pairs)
