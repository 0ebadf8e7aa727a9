"""What the splitter knows of one language: abbreviations, by what may follow their full stop."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple


class Kind(NamedTuple):
    """Whether a sentence ends at an abbreviation's full stop, by the word that follows it.

    Before a small letter it never does. ``opener``: a word such as "The", whose capital letter is
    the sentence's; ``title``: an abbreviation before a name, such as "Mr."; ``capital``: any other
    word. ``unless``: words with a capital letter that go with the abbreviation ("5 p.m. EST").
    ``leads``: where nothing but names, numbers and prepositions stands before the abbreviation
    ("At 5 p.m. Ann left"), the sentence has only begun, and goes on.
    """

    number: bool = False
    opener: bool = False
    title: bool = False
    capital: bool = False
    unless: frozenset[str] = frozenset()
    leads: bool = False


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


GOES_ON = Kind()  # Dr. e.g. z.B.
BEFORE_NUMBER = Kind(opener=True, title=True, capital=True)  # No. 5, 6 ft. 4 in.
MAY_END = Kind(opener=True, title=True)  # the U.S. Army | in the U.S. He
NAMES_END = Kind(opener=True, title=True, capital=True, leads=True)  # Ph.D. Inc.
ENDS = Kind(number=True, opener=True, title=True, capital=True)  # etc.


class Language(NamedTuple):
    """The default knows no word, and suits any language.

    An abbreviation is written without its last full stop and in the case it has inside a sentence
    (a capital first letter is also accepted); spaces inside it are left out: ``z. B.`` is ``z.B``.
    """

    abbreviations: Mapping[str, Kind] = {}
    after_number: Mapping[str, Kind] = {}  # what an abbreviation is after a number: 6 ft. 5th St.
    after_name: Mapping[str, Kind] = {}  # and after a word with a capital letter: Elm St.
    openers: frozenset[str] = frozenset()  # words whose capital letter means a new sentence
    leads: frozenset[str] = frozenset()  # prepositions, in small letters
    labels: frozenset[str] = frozenset()  # "Chapter 1. The storm": with a number, a heading's start
    exclaimed: frozenset[str] = frozenset()  # names that end in an exclamation mark: Yahoo!
    says: re.Pattern[str] | None = None  # what follows quoted speech in the same sentence
    streets: tuple[str, ...] = ()  # endings of words that a house number follows: Hauptstr. 5
    ordinals: bool = False  # a number with a stop is an ordinal: der 3. März
    stops: str = ""  # characters that are full stops in this language alone: the Greek ;


def kinds(table: Mapping[Kind, str]) -> dict[str, Kind]:
    """Words by kind -> kind by word."""
    return {word: kind for kind, text in table.items() for word in text.split()}
