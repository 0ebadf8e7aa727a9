from __future__ import annotations

import random

import pytest

from npformer.data.grammar import dates
from npformer.data.grammar.entries import MONTHS, WEEKDAYS
from tests.data.grammar.builders import LINKS, fixed_choices, links_of, text


def both(made):
    return text(made.english, "."), text(made.german, ".")


# The choices are, in this order: hour - 1, kind, then past or to, then 5, 10 or 20 minutes.
@pytest.mark.parametrize(
    ("choices", "english", "german"),
    [
        ((0, 0), "One o'clock.", "Ein Uhr."),
        ((9, 0), "Ten o'clock.", "Zehn Uhr."),
        ((2, 1), "Half past three.", "Halb vier."),
        ((11, 1), "Half past twelve.", "Halb eins."),
        ((4, 2, 1), "A quarter to five.", "Viertel vor fünf."),
        ((0, 3, 0), "A quarter past one.", "Viertel nach eins."),
        ((5, 4, 0, 1), "Ten past six.", "Zehn nach sechs."),
        ((6, 5, 1, 2), "Twenty to seven.", "Zwanzig vor sieben."),
    ],
)
def test_clock(choices, english, german):
    assert both(dates.clock(LINKS, fixed_choices(*choices))) == (english, german)


def test_at_a_time():
    made = dates.at_clock(LINKS, fixed_choices(2, 1))
    assert both(made) == ("At half past three.", "Um halb vier.")
    assert ("past", "halb") in links_of(made.english, made.german)


# Month - 1, day - 1, whether in digits, whether with the year, years after 1950.
def test_dates():
    in_digits = dates.on_date(LINKS, fixed_choices(2, 2, 1, 1, 34))
    assert both(in_digits) == ("On the 3rd of March 1984.", "Am 3. März 1984.")
    in_words = dates.on_date(LINKS, fixed_choices(11, 20, 0, 0))
    assert both(in_words) == (
        "On the twenty-first of December.",
        "Am einundzwanzigsten Dezember.",
    )
    subject = dates.date(LINKS, fixed_choices(4, 0, 0, 0), nominative=True)
    assert both(subject) == ("The first of May.", "Der erste Mai.")
    links = links_of(in_digits.english, in_digits.german)
    assert {("On", "Am"), ("the", "Am"), ("3rd", "3"), ("March", "März"), ("1984", "1984")} <= links


def test_other_times():
    assert both(dates.on_weekday(LINKS, fixed_choices(0))) == ("On Monday.", "Am Montag.")
    assert both(dates.in_year(LINKS, fixed_choices(34))) == ("In 1984.", "Im Jahr 1984.")
    assert both(dates.in_month(LINKS, fixed_choices(0))) == ("In January.", "Im Januar.")
    assert both(dates.ago(LINKS, fixed_choices(1, 0))) == ("Three days ago.", "Vor drei Tagen.")
    assert both(dates.hence(LINKS, fixed_choices(0, 3))) == ("In two years.", "In zwei Jahren.")


def test_every_day_of_a_random_date_exists():
    below = random.Random(0).random
    for _ in range(2000):
        made = dates.date(LINKS, lambda n: int(below() * n), with_year=False)
        assert not {"30th", "thirtieth", "31st", "thirty-first"} & {
            word for word, _ in made.english
        } or "February" not in [word for word, _ in made.english]


def test_seven_days_and_twelve_months():
    assert len(set(WEEKDAYS)) == 7
    assert len(set(MONTHS)) == 12
