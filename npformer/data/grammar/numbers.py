"""Cardinals and ordinals in words; German puts the units before the tens."""

from __future__ import annotations

import functools

_ENGLISH = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_ENGLISH_TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()
_GERMAN = (
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn "
    "fünfzehn sechzehn siebzehn achtzehn neunzehn"
).split()
_GERMAN_TENS = "- - zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
_ENGLISH_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
_GERMAN_ORDINALS = {1: "erst", 3: "dritt", 7: "siebt", 8: "acht"}


def _check(number: int) -> None:
    if not 0 <= number <= 999:
        raise ValueError(f"number is {number}; it must be in [0, 999]")


@functools.cache
def english_cardinal(number: int) -> str:
    """0 to 999 in words: ``three hundred and twenty-one``."""
    _check(number)
    hundreds, rest = divmod(number, 100)
    tens, units = divmod(rest, 10)
    if rest < 20:
        small = _ENGLISH[rest]
    else:
        small = _ENGLISH_TENS[tens] + (f"-{_ENGLISH[units]}" if units else "")
    if not hundreds:
        return small
    return f"{_ENGLISH[hundreds]} hundred" + (f" and {small}" if rest else "")


@functools.cache
def german_cardinal(number: int) -> str:
    """0 to 999 as one word: ``dreihunderteinundzwanzig``; 1 is ``eins``, as in counting."""
    _check(number)
    hundreds, rest = divmod(number, 100)
    tens, units = divmod(rest, 10)
    if rest < 20:
        small = _GERMAN[rest] if rest or not hundreds else ""
    else:
        small = (("ein" if units == 1 else _GERMAN[units]) + "und" if units else "") + _GERMAN_TENS[
            tens
        ]
    if not hundreds:
        return small
    return ("ein" if hundreds == 1 else _GERMAN[hundreds]) + "hundert" + small


def english_ordinal(number: int) -> str:
    """1 to 99: ``twenty-first``."""
    tens, dash, units = english_cardinal(number).rpartition("-")
    if units in _ENGLISH_ORDINALS:
        units = _ENGLISH_ORDINALS[units]
    else:
        units = units[:-1] + "ieth" if units.endswith("y") else units + "th"
    return tens + dash + units


def german_ordinal(number: int) -> str:
    """1 to 99, before its ending: ``dritt``, ``einundzwanzigst``."""
    if number in _GERMAN_ORDINALS:
        return _GERMAN_ORDINALS[number]
    return german_cardinal(number) + ("t" if number < 20 else "st")


def english_digits(day: int) -> str:
    """An ordinal in digits: ``1st``, ``22nd``, ``13th``."""
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th") if day not in (11, 12, 13) else "th"
    return f"{day}{suffix}"
