"""Whether a sentence ends at a stop that was found, and where: the rules that look around it."""

from __future__ import annotations

import re
from typing import NamedTuple

from npformer.text.sentences import marks
from npformer.text.sentences.full_stop import LOOK_BACK, Following, FullStop
from npformer.text.sentences.languages.language import GOES_ON, Language

_SCRIPT_STOPS = frozenset(marks.SCRIPT_STOPS)
_ENDS_ELSEWHERE = frozenset(".!?…,;:،，、；：؛")
_CITATION = re.compile(r"[(\[][^()\[\]]{1,60}[)\]][.,;:]")
_LOWEST_IDEOGRAPH = "\u2e80"


class _Next(NamedTuple):
    """What follows a stop."""

    start: int  # of the first character that is not a space
    at: int  # of the first word's, behind opening marks
    first: str
    word: str


class StopRules:
    """The rules of one language."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._own_stops = _SCRIPT_STOPS | set(language.stops)
        self._full_stop = FullStop(language)
        self.ordinary = self._full_stop.ordinary

    def end(self, text: str, begin: int, stop: re.Match[str]) -> int | None:
        """Where the sentence that began at ``begin`` ends if it ends at ``stop``, or None."""
        end = stop.end()
        if end == len(text):
            return None
        stops, closing = stop.groups()
        spaced = text[end].isspace()
        if stops[-1] in self._own_stops and stops[-1] != "\u2024":
            return self._script_end(text, begin, stop, spaced=spaced)
        if not spaced:
            return self._glued_end(text, begin, stop)
        following = self._next(text, end)
        if following is None:
            return None
        start, at, first, word = following
        if closing and not marks.CLOSING_QUOTES.isdisjoint(closing) and self._says(text, start):
            return None
        if not closing and stops == "!" and self._exclaimed(text, begin, stop, word):
            return None
        if "!" in stops or "?" in stops or not {".", "!", "?", "…"}.isdisjoint(closing):
            return end
        if "…" in stops or len(stops) > 1:
            return self._ellipsis_end(text, stop, following)
        before = text[max(begin, stop.start() - LOOK_BACK) : stop.start()]
        if not before.strip():
            return None
        ends = self._full_stop.ends(
            before,
            Following(word, text[at + len(word) : at + len(word) + 1] == "."),
            verse=marks.VERSE.match(text, at) is not None,
            whole=stop.start() - begin <= LOOK_BACK,
        )
        return end if ends else None

    def _next(self, text: str, at: int) -> _Next | None:
        """What follows a stop, or None if the sentence goes on with it."""
        while at < len(text) and text[at].isspace():
            at += 1
        start = at
        if not text[at : at + 1].isalpha():
            if text[at : at + 1] in ("[", "("):
                if passed := marks.OMISSION.match(text, at) or marks.BRACKETED.match(text, at):
                    at = passed.end()
                elif _CITATION.match(text, at):
                    return None
            at = marks.OPENING.match(text, at).end()  # type: ignore[union-attr]  # matches nothing too
        first = text[at : at + 1]
        if not first or first in _ENDS_ELSEWHERE:
            return None  # what follows is not a sentence
        if first.islower() and not text[at + 1 : at + 2].isupper():
            return None  # iPhone and eBay open sentences
        word = marks.WORD.match(text, at).group().rstrip("'’")  # type: ignore[union-attr]
        return _Next(start, at, first, word)

    def _says(self, text: str, at: int) -> bool:
        says = self._language.says
        return says is not None and says.match(text, at) is not None

    def _exclaimed(self, text: str, begin: int, stop: re.Match[str], word: str) -> bool:
        token = text[max(begin, stop.start() - LOOK_BACK) : stop.start()].split()[-1:]
        known = self._language.exclaimed
        return bool(token) and token[0] in known and word not in self._language.openers

    def _ellipsis_end(self, text: str, stop: re.Match[str], following: _Next) -> int | None:
        before = text[stop.start() - 1 : stop.start()]
        if before and before in "[(" and stop.group(2)[:1] in ("]", ")"):
            return None  # an omission
        if text[following.start] in "-–—":
            return None  # a menu's path: File – Open… – Recent
        dots = stop.group(1).count(".")
        if not following.first.isupper() or (following.word == "I" and dots < 4):
            return None
        if dots > 3 and " " in stop.group(1) and before.strip():
            return stop.start() + 1  # a full stop, and an ellipsis that opens what follows
        return stop.end()

    def _glued_end(self, text: str, begin: int, stop: re.Match[str]) -> int | None:
        """The end of a sentence that no space follows: a space was forgotten, or is not used."""
        end = stop.end()
        before = text[stop.start() - 1 : stop.start()]
        if text[end] >= _LOWEST_IDEOGRAPH and before >= _LOWEST_IDEOGRAPH:
            ends = stop.group(1)[-1] in ".!?‼⁇⁈⁉" and ".." not in stop.group(1)
            return self._script_end(text, begin, stop, spaced=False) if ends else None
        if stop.group() != "." or not text[end].isupper():
            return None
        word = marks.WORD.match(text, end).group()  # type: ignore[union-attr]
        after = text[end + len(word) : end + len(word) + 1]
        following = Following(word, after == ".")
        if not (self._full_stop.opens(following) and after in " ,") and not (
            self._full_stop.titled(following)
        ):
            return None
        token = text[max(begin, stop.start() - 24) : stop.start()].split()[-1:]
        whole = token and (self._full_stop.plain(token[0]) or marks.NUMBER.fullmatch(token[0]))
        return end if whole else None

    def _script_end(
        self, text: str, begin: int, stop: re.Match[str], *, spaced: bool
    ) -> int | None:
        """The end at a stop that is a sentence's alone, of a script that may use no spaces."""
        stops, closing = stop.groups()
        end = at = stop.end()
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text) or text[at] in _ENDS_ELSEWHERE or text[at].islower():
            return None
        if not spaced:
            between_digits = text[at].isdigit() and text[stop.start() - 1 : stop.start()].isdigit()
            if stops[-1] in self._language.stops or (stops == "．" and between_digits):
                return None
            if text[at + 1 : at + 2] == stops[-1]:
                return None  # the Khmer "and so on", a letter between two stops
        if self._language.abbreviations:
            token = text[max(begin, stop.start() - 24) : stop.start()].split()[-1:]
            if token and self._language.abbreviations.get(token[0]) is GOES_ON:
                return None
        if closing and not marks.CLOSING_QUOTES.isdisjoint(closing) and self._says(text, at):
            return None
        return end
