"""Where sentences end: a few plain passes over a block of text.

One pass finds the items of lists, one the quotations and brackets, one the stops; at each stop
``stop_rules`` say whether the sentence goes on. Every pattern is possessive or bounded and the look
around a stop is limited to a fixed number of characters, so the time is linear in the length of the
text. Where a stop could be read both ways ("Er ist 25. Peter ...", where 25. may be an ordinal) the
text is left in one piece: a model translates two sentences better than two halves of one.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

from npformer.text.sentences import marks
from npformer.text.sentences.enclosures import Enclosures, first_mark
from npformer.text.sentences.languages import language_of
from npformer.text.sentences.languages.language import Language
from npformer.text.sentences.lists import Item, begins_list, list_items, may_list
from npformer.text.sentences.stop_rules import StopRules

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_SMALL = _LETTERS | frozenset("/@_=")
_DIGITS = frozenset("0123456789")
_FIRST_MARKS = frozenset("1aAiI(")


def _cuts(text: str, begin: int, item: Item) -> bool:
    """Whether a sentence ends before ``item``; the first after a colon belongs to its sentence."""
    before = text[begin : item.begin].rstrip()
    return bool(before) and before[-1] != ":"


def _last_word(text: str, begin: int, end: int) -> str:
    return text[max(begin, text.rfind(" ", begin, end) + 1) : end]


@functools.lru_cache(maxsize=32)
def boundaries_of(code: str) -> Boundaries:
    return Boundaries(language_of(code))


class Boundaries:
    """Finds the ends of the sentences of one language."""

    def __init__(self, language: Language) -> None:
        # Most text is ASCII, or has no stop inside: both are scanned faster on their own.
        self._stops = marks.stop_pattern(language.stops)
        self._ascii_stops = marks.stop_pattern(language.stops, ascii_only=True)
        self._inside = marks.inside_pattern(language.stops)
        self._ascii_inside = marks.inside_pattern(language.stops, ascii_only=True)
        self._rules = StopRules(language)

    def cut(self, block: str) -> list[str]:
        """The sentences of ``block``, stripped."""
        inside = self._ascii_inside if block.isascii() else self._inside
        if inside.search(block) is None and block[:1] not in marks.BULLETS:
            return [block.strip()] if block.strip() else []
        pieces, begin = [], 0
        for end in [*self.ends(block), len(block)]:
            if piece := block[begin:end].strip():
                pieces.append(piece)
            begin = end
        return pieces

    def ends(self, block: str) -> Iterator[int]:
        """The offsets behind the sentences' last characters, but for the last sentence's."""
        listed = may_list(block)
        items = list_items(block)[::-1] if listed else []  # the next one is last
        begin = 0
        enclosures = None
        enclosing = -1
        ordinary = self._rules.ordinary
        stops = self._ascii_stops if block.isascii() else self._stops
        for stop in stops.finditer(block):
            start, end = stop.span()
            after = block[end : end + 1]
            if not after or after in _SMALL or (after in _DIGITS and block[start] == "."):
                continue  # 3.14, www.example.com; most stops that end nothing
            if items:
                while items and items[-1].end <= start:
                    item = items.pop()
                    if _cuts(block, begin, item):
                        yield item.begin
                        begin = item.begin
                if items and items[-1].begin <= start:
                    continue  # the stop of an item's marker
            sure = False
            if end == start + 1 and after == " " and block[start] in ".!?":  # most stops
                following = block[end + 1 : end + 2]
                if following in _LETTERS and not block[end + 2 : end + 3].isupper():
                    continue
                sure = following.isupper() and (
                    block[start] == "?"
                    or (block[start] == "." and ordinary(_last_word(block, begin, start)))
                )
            if not sure:
                found = self._rules.end(block, begin, stop)
                if found is None:
                    continue
                end = found
            if enclosing < begin:
                enclosing = first_mark(block, begin)
            if enclosing < end:
                enclosures = enclosures or Enclosures(block)
                if enclosures.keep(begin, end):
                    continue
            yield end
            begin = end
            if not listed and block[end + 1 : end + 2] in _FIRST_MARKS and begins_list(block, end):
                listed = True
                items = [item for item in list_items(block)[::-1] if item.begin > end]
        for item in reversed(items):
            if _cuts(block, begin, item):
                yield item.begin
                begin = item.begin

    def ends_at(self, text: str, end: int) -> bool:
        """Whether a sentence ends at ``end``, as far as the characters nearest to it tell."""
        begin = max(0, end - 100)
        return any(
            stop.end() == end and self._rules.end(text, begin, stop) == end
            for stop in self._stops.finditer(text, max(begin, end - 24))
        )
