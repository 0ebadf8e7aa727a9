"""Times of day, weekdays, dates and years, each in both languages at once."""

from __future__ import annotations

from collections.abc import Callable

from npformer.data.grammar.entries import MONTHS, WEEKDAYS
from npformer.data.grammar.leaves import Leaf, Links, Phrase
from npformer.data.grammar.numbers import (
    english_cardinal,
    english_digits,
    english_ordinal,
    german_cardinal,
    german_ordinal,
)
from npformer.data.grammar.phrases import Both

Below = Callable[[int], int]  # a random integer in [0, n)
FIRST_YEAR, YEARS = 1950, 70


def _hour(hour: int) -> str:
    return german_cardinal((hour - 1) % 12 + 1)


def clock(links: Links, below: Below) -> Both:
    """ "half past three", halb vier: German names the hour that is half gone.

    The phrase has no preposition, so that it can also follow "it is".
    """
    hour = 1 + below(12)
    kind = below(6)
    link = links.take(3)
    first, second, third = link, link << 1, link << 2
    here: Leaf = (english_cardinal(hour), third)
    if kind == 0:
        one = "ein" if hour == 1 else _hour(hour)
        return Both([here, ("o'clock", second)], [(one, third), ("Uhr", second)])
    if kind == 1:
        return Both(
            [("half", first), ("past", second), here],
            [("halb", first | second), (_hour(hour + 1), third)],
        )
    past = below(2) == 0
    direction: tuple[Leaf, Leaf] = (
        ("past" if past else "to", second),
        ("nach" if past else "vor", second),
    )
    if kind <= 3:
        minutes: Phrase = [("a", first), ("quarter", first)]
        return Both(
            [*minutes, direction[0], here], [("Viertel", first), direction[1], (_hour(hour), third)]
        )
    number = (5, 10, 20)[below(3)]
    return Both(
        [(english_cardinal(number), first), direction[0], here],
        [(german_cardinal(number), first), direction[1], (_hour(hour), third)],
    )


def at_clock(links: Links, below: Below) -> Both:
    """ "at half past three", um halb vier."""
    link = links.take()
    time = clock(links, below)
    return Both([("at", link), *time.english], [("um", link), *time.german])


def on_weekday(links: Links, below: Below) -> Both:
    link = links.take(2)
    english, german = WEEKDAYS[below(7)]
    return Both([("on", link), (english, link << 1)], [("am", link), (german, link << 1)])


def _days_of(month: int) -> int:
    return (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month]


def date(links: Links, below: Below, nominative: bool = False, with_year: bool = True) -> Both:
    """ "the 3rd of March 1984", 3. März 1984; half of them in words, dritter März.

    In the dative after am the ordinal ends in -en; with ``nominative`` it follows der, in -e.
    """
    month = below(12)
    day = 1 + below(_days_of(month))
    link = links.take(4)
    article, ordinal, name, year = link, link << 1, link << 2, link << 3
    if below(2):
        day_words = english_digits(day), f"{day}."
    else:
        day_words = english_ordinal(day), german_ordinal(day) + ("e" if nominative else "en")
    english: Phrase = [
        ("the", article), (day_words[0], ordinal), ("of", name), (MONTHS[month][0], name),
    ]  # fmt: skip
    german: Phrase = [(day_words[1], ordinal), (MONTHS[month][1], name)]
    if nominative:
        german.insert(0, ("der", article))
    if with_year and below(2):
        digits = str(FIRST_YEAR + below(YEARS))
        english.append((digits, year))
        german.append((digits, year))
    return Both(english, german)


def on_date(links: Links, below: Below, with_year: bool = True) -> Both:
    link = links.take()
    day = date(links, below, with_year=with_year)
    article = day.english[0][1]
    return Both([("on", link), *day.english], [("am", link | article), *day.german])


def in_year(links: Links, below: Below) -> Both:
    """ "in 1984", im Jahr 1984."""
    link = links.take(2)
    digits = str(FIRST_YEAR + below(YEARS))
    return Both(
        [("in", link), (digits, link << 1)],
        [("im", link), ("Jahr", link), (digits, link << 1)],
    )


def in_month(links: Links, below: Below) -> Both:
    link = links.take(2)
    english, german = MONTHS[below(12)]
    return Both([("in", link), (english, link << 1)], [("im", link), (german, link << 1)])


UNITS = (("days", "Tagen"), ("weeks", "Wochen"), ("months", "Monaten"), ("years", "Jahren"))


def ago(links: Links, below: Below) -> Both:
    """ "three weeks ago", vor drei Wochen."""
    link = links.take(3)
    number, (english, german) = 2 + below(9), UNITS[below(4)]
    return Both(
        [(english_cardinal(number), link), (english, link << 1), ("ago", link << 2)],
        [("vor", link << 2), (german_cardinal(number), link), (german, link << 1)],
    )


def hence(links: Links, below: Below) -> Both:
    """ "in three weeks", in drei Wochen."""
    link = links.take(3)
    number, (english, german) = 2 + below(9), UNITS[below(4)]
    return Both(
        [("in", link << 2), (english_cardinal(number), link), (english, link << 1)],
        [("in", link << 2), (german_cardinal(number), link), (german, link << 1)],
    )
