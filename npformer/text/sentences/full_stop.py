"""Whether a single full stop ends its sentence, by the words on both sides of it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

from npformer.text.sentences import marks
from npformer.text.sentences.languages.language import BEFORE_NUMBER, GOES_ON, Kind, Language

LOOK_BACK = 48  # characters before a stop: longer than any abbreviation
_BULLETS = frozenset(("", "-", "*", "+", "–", "—", "(", '"', *marks.BULLETS))


class Following(NamedTuple):
    """The word behind a stop; ``stop``: a full stop is behind it in turn."""

    word: str
    stop: bool


class FullStop:
    """The rules of one language."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self.known = frozenset(
            word.lower()
            for table in (language.abbreviations, language.after_number, language.after_name)
            for word in table
        )
        self.ordinary = functools.lru_cache(maxsize=8192)(self._ordinary)

    def plain(self, token: str) -> bool:
        """Whether ``token`` is an ordinary word: neither a name's initial nor an abbreviation."""
        return (
            len(token) > 2
            and token.isalpha()
            and token[1:].islower()
            and token.lower() not in self.known
            and not token.endswith(self._language.streets or "\0")
        )

    def _ordinary(self, token: str) -> bool:
        """Whether a sentence ends at a full stop behind ``token`` and before a capital letter.

        True only where ``ends`` is, whatever stands before ``token``: of plain words, and of
        (these), NumPy and "that".
        """
        if self.plain(token):
            return True
        word = token.lstrip(marks.OPENING_MARKS)
        names = {word.lower(), word.replace("’", "'").rpartition("'")[2].lower()}
        return (
            len(word) > 4  # a shorter one may be the end of "v. Chr"
            and len(token) < LOOK_BACK
            and not word[0].isdigit()
            and "." not in word
            and len(token.split()) == 1
            and names.isdisjoint(self.known)
            and not word.endswith(self._language.streets or "\0")
            and not marks.MARKER.fullmatch(word)
            and not marks.ORDINAL.fullmatch(word)
        )

    def opens(self, following: Following) -> bool:
        return following.word in self._language.openers and not following.stop

    def titled(self, following: Following) -> bool:
        kind = self._language.abbreviations.get(following.word)
        return following.stop and kind is GOES_ON and following.word[:1].isupper()

    def ends(self, before: str, following: Following, *, verse: bool, whole: bool) -> bool:
        """``before``: the sentence's last characters up to the stop, or all of it if ``whole``.

        ``verse``: what follows is a chapter and a verse, 7:12.
        """
        *_, token = before.split()
        token = token.lstrip(marks.OPENING_MARKS)
        lead = before[: len(before) - len(token)].strip()
        first = whole and lead in _BULLETS
        if marks.MARKER.fullmatch(token) and (first or lead.endswith((":", ";"))):
            return False  # the marker of a list item
        previous = lead.split()[-1] if lead else ""
        if whole and token[:1].isdigit() and lead in self._language.labels:
            return False  # Chapter 1. The storm
        if verse and token[:1].isupper() and len(token) <= 7:
            return False
        opens = self.opens(following)
        kind = self._kind(before, token, previous, first=first)
        if kind is None:
            if self._could_go_on(token):
                return opens
            return True
        if self._number(following.word, kind):
            return kind.number
        if opens:
            return kind.opener
        if kind.leads and whole and self._has_only_begun(lead):
            return False
        if self.titled(following):
            return kind.title
        return kind.capital and following.word not in kind.unless

    def _kind(self, before: str, token: str, previous: str, *, first: bool) -> Kind | None:
        language = self._language
        if token.endswith(language.streets or "\0"):
            return BEFORE_NUMBER  # Hauptstr. 5
        for name in self._names(before, token, first=first):
            if marks.NUMBER.fullmatch(previous) and name in language.after_number:
                return language.after_number[name]
            if previous[:1].isupper() and name in language.after_name:
                return language.after_name[name]
            if name in language.abbreviations:
                return language.abbreviations[name]
        return None

    def _names(self, before: str, token: str, *, first: bool) -> Iterator[str]:
        """What a table may call the abbreviation, with the most characters first."""
        if "." in before and (spaced := marks.SPACED.search(before)):  # "z. B", "v. Chr"
            joined = "".join(spaced.group().split())
            yield from (joined, joined[0].lower() + joined[1:])
        token = token.lstrip("0123456789")  # 5p.m.
        yield token
        _, apostrophe, rest = token.replace("’", "'").rpartition("'")
        if apostrophe:  # l'art. 5
            yield rest
        if first:
            yield token[:1].lower() + token[1:]

    def _could_go_on(self, token: str) -> bool:
        """J. and N.A.S.A. go on, and the 3. of March, unless a new sentence opens."""
        if (len(token) == 1 and token.isalpha()) or marks.DOTTED.fullmatch(token):
            return True
        return self._language.ordinals and marks.ORDINAL.fullmatch(token) is not None

    @staticmethod
    def _number(word: str, kind: Kind) -> bool:
        """5, A13, IV; an I is a number in "Vol. I" and a word in "in the U.S. I"."""
        if word == "I":
            return kind == BEFORE_NUMBER
        return marks.NUMBERED.fullmatch(word) is not None

    def _has_only_begun(self, lead: str) -> bool:
        """Whether a sentence has no more than names, numbers and prepositions so far."""
        return all(
            not word[0].islower() or word.strip(",") in self._language.leads
            for word in lead.split()
        ) and (
            not lead
            or lead.split()[0] not in self._language.openers
            or lead.split()[0].lower() in self._language.leads
        )
