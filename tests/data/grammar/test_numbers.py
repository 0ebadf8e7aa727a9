from __future__ import annotations

import pytest

from npformer.data.grammar.numbers import (
    english_cardinal,
    english_digits,
    english_ordinal,
    german_cardinal,
    german_ordinal,
)


@pytest.mark.parametrize(
    ("number", "english", "german"),
    [
        (0, "zero", "null"),
        (1, "one", "eins"),
        (7, "seven", "sieben"),
        (12, "twelve", "zwölf"),
        (16, "sixteen", "sechzehn"),
        (17, "seventeen", "siebzehn"),
        (20, "twenty", "zwanzig"),
        (21, "twenty-one", "einundzwanzig"),
        (30, "thirty", "dreißig"),
        (66, "sixty-six", "sechsundsechzig"),
        (77, "seventy-seven", "siebenundsiebzig"),
        (100, "one hundred", "einhundert"),
        (101, "one hundred and one", "einhunderteins"),
        (212, "two hundred and twelve", "zweihundertzwölf"),
        (321, "three hundred and twenty-one", "dreihunderteinundzwanzig"),
        (999, "nine hundred and ninety-nine", "neunhundertneunundneunzig"),
    ],
)
def test_cardinals(number, english, german):
    assert (english_cardinal(number), german_cardinal(number)) == (english, german)


def test_every_number_has_its_own_name():
    assert len({english_cardinal(n) for n in range(1000)}) == 1000
    assert len({german_cardinal(n) for n in range(1000)}) == 1000


def test_ordinals():
    days = (1, 2, 3, 5, 7, 8, 9, 12, 13, 20, 21, 30)
    assert [english_ordinal(n) for n in days] == (
        "first second third fifth seventh eighth ninth twelfth thirteenth twentieth twenty-first "
        "thirtieth".split()
    )
    assert [german_ordinal(n) + "e" for n in days] == (
        "erste zweite dritte fünfte siebte achte neunte zwölfte dreizehnte zwanzigste "
        "einundzwanzigste dreißigste".split()
    )
    assert [english_digits(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 31)] == (
        "1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 23rd 31st".split()
    )


@pytest.mark.parametrize("number", [-1, 1000])
def test_numbers_out_of_range(number):
    with pytest.raises(ValueError, match=r"must be in \[0, 999\]"):
        german_cardinal(number)
    with pytest.raises(ValueError, match=str(number)):
        english_cardinal(number)
