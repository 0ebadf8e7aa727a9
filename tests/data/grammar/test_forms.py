"""Inflection of both languages, on words that are not all in the lexicon."""

from __future__ import annotations

import pytest

from npformer.data.grammar import forms_english as english
from npformer.data.grammar import forms_german as german
from npformer.data.grammar.lexicon import adjectives


@pytest.mark.parametrize(
    ("infinitive", "er", "expected"),
    [
        ("machen", None, "mache machst macht machen machen"),
        ("arbeiten", None, "arbeite arbeitest arbeitet arbeiten arbeiten"),
        ("öffnen", None, "öffne öffnest öffnet öffnen öffnen"),
        ("lernen", None, "lerne lernst lernt lernen lernen"),
        ("tanzen", None, "tanze tanzt tanzt tanzen tanzen"),
        ("füttern", None, "füttere fütterst füttert füttern füttern"),
        ("lesen", "liest", "lese liest liest lesen lesen"),
        ("geben", "gibt", "gebe gibst gibt geben geben"),
        ("laden", "lädt", "lade lädst lädt laden laden"),
        ("wissen", "weiß", "weiß weißt weiß wissen wissen"),
    ],
)
def test_present(infinitive, er, expected):
    assert german.present(infinitive, er) == tuple(expected.split())


@pytest.mark.parametrize(
    ("infinitive", "er", "expected"),
    [
        ("geben", "gibt", "gib"),
        ("nehmen", "nimmt", "nimm"),
        ("fahren", "fährt", "fahr"),
        ("laufen", "läuft", "lauf"),
        ("laden", "lädt", "lade"),
        ("kaufen", None, "kauf"),
        ("öffnen", None, "öffne"),
        ("reisen", None, "reise"),
        ("füttern", None, "füttere"),
    ],
)
def test_imperative(infinitive, er, expected):
    assert german.imperative(infinitive, er) == expected


@pytest.mark.parametrize(
    ("infinitive", "expected"),
    [
        ("kaufen", "gekauft"),
        ("arbeiten", "gearbeitet"),
        ("öffnen", "geöffnet"),
        ("besuchen", "besucht"),
        ("verkaufen", "verkauft"),
        ("reparieren", "repariert"),
        ("enden", "geendet"),
    ],
)
def test_weak_participle(infinitive, expected):
    assert german.weak_participle(infinitive) == expected


def test_noun_declensions():
    junge = german.noun_forms(0, "Junge", "Jungen", "Jungen")
    assert junge[0] == ("Junge", "Jungen", "Jungen", "Jungen")
    assert german.noun_forms(0, "Name", "Namens", "Namen")[0][1] == "Namen"
    assert german.noun_forms(0, "Garten", "Gartens", "Gärten")[0][1] == "Garten"
    assert german.noun_forms(2, "Kind", "Kindes", "Kinder")[1][2] == "Kindern"
    assert german.noun_forms(2, "Auto", "Autos", "Autos")[1][2] == "Autos"
    assert german.noun_forms(2, "Wasser", "Wassers", None)[1] is None


def test_english_plurals_and_third_persons():
    given = ["cup", "box", "church", "party", "boy", "radio", "potato", "try", "play", "go"]
    assert [english.add_s(word) for word in given] == (
        "cups boxes churches parties boys radios potatoes tries plays goes".split()
    )


def test_english_pasts():
    given = ["work", "dance", "try", "play", "plan", "travel"]
    assert [english.add_ed(word) for word in given] == (
        "worked danced tried played planned traveled".split()
    )


@pytest.mark.parametrize(
    ("word", "comparative", "superlative"),
    [
        ("old", "older", "oldest"),
        ("big", "bigger", "biggest"),
        ("sad", "sadder", "saddest"),
        ("brave", "braver", "bravest"),
        ("happy", "happier", "happiest"),
        ("quiet", "quieter", "quietest"),
        ("sweet", "sweeter", "sweetest"),
        ("good", "better", "best"),
        ("expensive", "more expensive", "most expensive"),
    ],
)
def test_english_comparison(word, comparative, superlative):
    assert english.comparison(word) == (tuple(comparative.split()), tuple(superlative.split()))


def test_a_or_an():
    given = ["apple", "honest", "house", "ugly", "old", "boy"]
    assert [english.a_or_an(word) for word in given] == ["an", "an", "a", "an", "an", "a"]


def test_the_lists_of_special_adjectives_name_adjectives():
    known = {line.split()[0] for line in adjectives.ADJECTIVES.strip().splitlines()}
    special = adjectives.PERIPHRASTIC | adjectives.ABSOLUTE | adjectives.SUPERLATIVES
    assert special | set(adjectives.IRREGULAR_ENGLISH) <= known
