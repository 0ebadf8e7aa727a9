"""Noun and prepositional phrases: each node writes itself in English and in German.

A node is one step of the derivation. Its two linearisations stand side by side and give the same
link bits to the words that translate each other. Nominal nodes (``NounPhrase``, ``Pronoun``,
``Name``, ``Couple``) answer to one interface: ``person``, ``definite``, ``pronoun``,
``relative``, ``english(is_object)`` and ``german(case)``.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from npformer.data.grammar import forms_german as de
from npformer.data.grammar.entries import Adjective, Adverb, Noun
from npformer.data.grammar.forms_english import a_or_an
from npformer.data.grammar.leaves import COMMA, Links, Phrase
from npformer.data.grammar.numbers import english_cardinal, german_cardinal


class Nominal(Protocol):
    """What can be a subject or an object."""

    person: int
    definite: bool
    pronoun: bool
    relative: Any

    def english(self, is_object: bool = True) -> Phrase: ...

    def german(self, case: int, negation: int = 0) -> Phrase: ...


class Both(NamedTuple):
    """A constituent whose form does not depend on where it stands."""

    english: Phrase
    german: Phrase


def fixed(adverb: Adverb, links: Links) -> Both:
    link = links.take(adverb.groups)
    return Both(adverb.english_phrase(link), adverb.german_phrase(link))


POSSESSIVES = {
    "my": "mein", "your": "dein", "his": "sein", "her": "ihr", "our": "unser", "their": "ihr",
}  # fmt: skip
# Inflected like dieser: the English word in the singular and in the plural, the German stem.
DEMONSTRATIVES = {
    "this": ("this", "these", "dies"),
    "every": ("every", "", "jed"),
    "which": ("which", "which", "welch"),
}
QUANTITIES = {"many": "viel", "some": "einig", "how many": "viel"}
INDEFINITE = ("a", "")  # the ones that "not" turns into kein


class NounPhrase:
    """Determiner, number, adjective, noun, possessor, relative clause.

    ``determiner`` is an English word of the tables above, ``the``, ``a``, ``no``, ``number``
    (with ``number`` given) or empty. With a possessor it is ``'s`` (the boy's dog) or ``of``
    (the price of the house).
    """

    __slots__ = (
        "adjective", "definite", "determiner", "link", "noun", "number", "person", "plural",
        "possessor", "relative", "superlative",
    )  # fmt: skip
    pronoun = False

    def __init__(
        self,
        links: Links,
        noun: Noun,
        determiner: str,
        plural: bool = False,
        adjective: Adjective | None = None,
        superlative: bool = False,
        number: int = 0,
        possessor: Nominal | None = None,
    ) -> None:
        self.link = links.take(3)  # determiner, adjective, noun
        self.noun, self.determiner, self.plural = noun, determiner, plural
        self.adjective, self.superlative = adjective, superlative
        self.number, self.possessor = number, possessor
        self.person = 4 if plural else 2
        self.definite = determiner not in ("a", "", "number", "no", "many", "some")
        self.relative: Any = None

    def english(self, is_object: bool = True) -> Phrase:
        link = self.link
        phrase: Phrase = []
        determiner = self.determiner
        if determiner == "'s":
            assert self.possessor is not None
            phrase += self.possessor.english()
            phrase.append(("'s", link))
        elif determiner in DEMONSTRATIVES:
            phrase.append((DEMONSTRATIVES[determiner][self.plural], link))
        elif determiner == "number":
            phrase += [(word, link) for word in english_cardinal(self.number).split()]
        elif determiner == "how many":
            phrase += [("how", link), ("many", link)]
        elif determiner and determiner != "a":
            phrase.append(("the" if determiner == "of" else determiner, link))
        rest: Phrase = []
        if self.adjective:
            if self.superlative:
                rest = [(word, link << 1) for word in self.adjective.superlative_english]
            else:
                rest = [(self.adjective.english, link << 1)]
        rest.append((self.noun.english[self.plural], link << 2))
        if determiner == "a":
            phrase.append((a_or_an(rest[0][0]), link))
        phrase += rest
        if determiner == "of":
            assert self.possessor is not None
            phrase.append(("of", 0))
            phrase += self.possessor.english()
        if self.relative is not None:
            phrase += self.relative.english()
        return phrase

    def german(self, case: int, negation: int = 0) -> Phrase:
        """Without the relative clause; ``negation`` is the link of a "not" that becomes kein."""
        link, determiner = self.link, self.determiner
        gender = de.PLURAL if self.plural else self.noun.gender
        phrase: Phrase = []
        endings = de.WEAK_ADJECTIVE
        after: Phrase = []
        if negation:
            phrase = [("kein" + de.EIN[case][gender], negation | link)]
            endings = de.MIXED_ADJECTIVE
        elif determiner == "the":
            phrase = [(de.THE[case][gender], link)]
        elif determiner == "a" or determiner == "no":
            stem = "ein" if determiner == "a" else "kein"
            phrase = [(stem + de.EIN[case][gender], link)]
            endings = de.MIXED_ADJECTIVE
        elif determiner in POSSESSIVES:
            phrase = [(POSSESSIVES[determiner] + de.EIN[case][gender], link)]
            endings = de.MIXED_ADJECTIVE
        elif determiner in DEMONSTRATIVES:
            stem = DEMONSTRATIVES[determiner][2]
            phrase = [(stem + de.STRONG_DETERMINER[case][gender], link)]
        elif determiner == "'s" and isinstance(self.possessor, Name):
            phrase = [(self.possessor.name + "s", link | self.possessor.link)]
            endings = de.STRONG_ADJECTIVE
        elif determiner in ("'s", "of"):
            assert self.possessor is not None
            phrase = [(de.THE[case][gender], link)]
            after = self.possessor.german(de.GENITIVE)
        else:
            endings = de.STRONG_ADJECTIVE
            if determiner == "number":
                phrase = [(german_cardinal(self.number), link)]
            elif determiner in QUANTITIES:
                quantity = QUANTITIES[determiner] + de.STRONG_DETERMINER[case][gender]
                phrase = [("wie", link)] if determiner == "how many" else []
                phrase.append((quantity, link))
        if self.adjective:
            stem = self.adjective.superlative if self.superlative else self.adjective.stem
            phrase.append((stem + endings[case][gender], link << 1))
        forms = self.noun.german[self.plural]
        assert forms is not None
        phrase.append((forms[case], link << 2))
        return phrase + after if after else phrase

    @property
    def gender(self) -> int:
        return de.PLURAL if self.plural else self.noun.gender


# English subject and object; German nominative, accusative, dative; person.
PRONOUNS = (
    ("I", "me", ("ich", "mich", "mir"), 0),
    ("you", "you", ("du", "dich", "dir"), 1),
    ("he", "him", ("er", "ihn", "ihm"), 2),
    ("she", "her", ("sie", "sie", "ihr"), 2),
    ("we", "us", ("wir", "uns", "uns"), 3),
    ("they", "them", ("sie", "sie", "ihnen"), 4),
)


class Pronoun:
    """A personal pronoun, or "who" and "what" as the subject of a question."""

    __slots__ = ("forms", "link", "person")
    definite, pronoun, relative = True, True, None

    def __init__(self, links: Links, forms: tuple[str, str, tuple[str, ...], int]) -> None:
        self.link, self.forms, self.person = links.take(), forms, forms[3]

    def english(self, is_object: bool = True) -> Phrase:
        return [(self.forms[1] if is_object else self.forms[0], self.link)]

    def german(self, case: int, negation: int = 0) -> Phrase:
        return [(self.forms[2][case], self.link)]


class Name:
    """A person's name; the same in both languages and in every case but the genitive."""

    __slots__ = ("link", "name")
    person, definite, pronoun, relative = 2, True, False, None

    def __init__(self, links: Links, name: str) -> None:
        self.link, self.name = links.take(), name

    def english(self, is_object: bool = True) -> Phrase:
        return [(self.name, self.link)]

    def german(self, case: int, negation: int = 0) -> Phrase:
        return [(self.name, self.link)]


class Couple:
    """Two nominals joined by "and"; a plural."""

    __slots__ = ("first", "link", "second")
    person, definite, pronoun, relative = 4, True, False, None

    def __init__(self, links: Links, first: Nominal, second: Nominal) -> None:
        self.link, self.first, self.second = links.take(), first, second

    def english(self, is_object: bool = True) -> Phrase:
        return [*self.first.english(is_object), ("and", self.link), *self.second.english(is_object)]

    def german(self, case: int, negation: int = 0) -> Phrase:
        return [*self.first.german(case), ("und", self.link), *self.second.german(case)]


def with_relative(nominal: Nominal, phrase: Phrase) -> Phrase:
    """A German nominal followed by its relative clause between commas, if it has one."""
    if nominal.relative is None:
        return phrase
    return [*phrase, COMMA, *nominal.relative.german(), COMMA]


def prepositional(
    links: Links, english: str, german: str, case: int, nominal: Nominal, link: int = 0
) -> Both:
    """A preposition and its nominal; German contracts in + dem to im, zu + der to zur.

    ``link`` is that of a verb whose object needs a preposition in German alone (remember)."""
    link = link or links.take()
    source = [(word, link) for word in english.split()] + nominal.english()
    target = nominal.german(case)
    word, mask = target[0]
    contracted = de.CONTRACTIONS.get((german, word))
    if contracted:
        return Both(source, [(contracted, link | mask), *target[1:]])
    return Both(source, [(german, link), *target])
