"""How many pairs there are, at least: an exact count of one family of sentences.

The family is "the (adjective) noun VERBs the (adjective) noun": present tense, both nouns in the
singular or plural. Every choice changes a word of the English sentence, so the product of the
choices is a number of distinct pairs, and the whole grammar has more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from npformer.data.grammar.clauses import Clause
from npformer.data.grammar.entries import ACCUSATIVE, NOUNS, Noun, Verb
from npformer.data.grammar.leaves import Links
from npformer.data.grammar.phrases import NounPhrase


def nouns_of(kinds: str) -> list[Noun]:
    return [noun for kind in kinds for noun in NOUNS[kind]]


def _choices(nouns: Iterable[Noun]) -> int:
    return sum((2 if noun.countable else 1) * (1 + len(noun.adjectives)) for noun in nouns)


def family_size(subjects: Iterable[Noun], objects: Iterable[Noun]) -> int:
    """How many sentences the family has for one verb."""
    return _choices(subjects) * _choices(objects)


def _phrases(links: Links, nouns: Iterable[Noun]) -> Iterator[NounPhrase]:
    for noun in nouns:
        for plural in (False, True) if noun.countable else (False,):
            for adjective in (None, *noun.adjectives):
                yield NounPhrase(links, noun, "the", plural, adjective)


def family(verb: Verb, subjects: Iterable[Noun], objects: Iterable[Noun]) -> Iterator[Clause]:
    """The clauses that ``family_size`` counts."""
    links = Links()
    objects = list(objects)
    for subject in _phrases(links, subjects):
        for object_ in _phrases(links, objects):
            yield Clause(links.take(3), subject, subject.person, verb, accusative=object_)


def size() -> int:
    """A lower bound on the number of distinct pairs: the family over all transitive verbs."""
    return sum(family_size(nouns_of(verb.subjects), nouns_of(verb.objects)) for verb in ACCUSATIVE)
