"""The lexicon: complete, without homonyms, and every word of it within reach."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from npformer.data.grammar import entries
from npformer.data.grammar.draw_sentences import SentenceDraw

TABLES = (
    "INTRANSITIVE", "ACCUSATIVE", "DATIVE", "DITRANSITIVE", "PREPOSITIONAL", "MOTION", "REST",
    "PLACING", "HAPPENING", "SAYING", "ASKING", "TRYING",
)  # fmt: skip


def test_no_english_noun_has_two_translations():
    forms: dict[str, set] = {}
    for kind, table in entries.NOUNS.items():
        if kind != "u":  # the buildings are places
            for noun in table:
                for english in set(noun.english):
                    forms.setdefault(english, set()).add(noun)
    assert [english for english, found in forms.items() if len(found) > 1] == []


@pytest.mark.parametrize("name", TABLES)
def test_no_english_verb_has_two_translations_in_one_frame(name):
    names = Counter((v.base, v.particle, v.preposition) for v in getattr(entries, name))
    assert max(names.values()) == 1


def test_the_lexicon_is_as_large_as_promised():
    nouns = {noun for table in entries.NOUNS.values() for noun in table}
    verbs = {(v.base, v.particle, v.infinitive) for n in TABLES for v in getattr(entries, n)}
    assert len(nouns) >= 120
    assert len(verbs) >= 80
    assert len(entries.ADJECTIVES) >= 50


def test_kinds_are_known():
    kinds = set(entries.NOUNS)
    for name in TABLES:
        for verb in getattr(entries, name):
            assert set(verb.subjects + verb.objects) <= kinds, verb.base
    manner = {verb.base for name in TABLES for verb in getattr(entries, name)}
    assert set(entries.MANNER) <= manner


def test_adverbs_keep_their_groups_together():
    made = entries.adverb("in the|morning = am|Morgen")
    assert made.english_phrase(4) == [("in", 4), ("the", 4), ("morning", 8)]
    assert made.german_phrase(4) == [("am", 4), ("Morgen", 8)]
    crossed = entries.adverb("first|second = 2:zwei|1:eins")
    assert crossed.german_phrase(1) == [("zwei", 2), ("eins", 1)]


def test_every_noun_and_adjective_is_drawn():
    draw = SentenceDraw(random.Random(5))
    english = {word for _ in range(15_000) for word, _ in draw.sentence()[0]}
    tables = (*entries.NOUNS.values(), entries.PARTS, entries.WEATHER)
    nouns = {noun.english[0] for table in tables for noun in table}
    verbs = {form for n in TABLES for v in getattr(entries, n) for form in (v.base,)}
    adjectives = {adjective.english for adjective in entries.ADJECTIVES}
    assert nouns | adjectives | verbs <= english
