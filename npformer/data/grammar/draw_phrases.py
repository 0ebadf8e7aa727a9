"""Random phrases: which nouns, determiners, adjectives and adverbials go together.

Typing is light, by the kinds of noun that verbs and adjectives name in the lexicon, so that
sentences read sensibly: people wash cars, cats hide keys, bread is eaten.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from npformer.data.grammar import dates, entries
from npformer.data.grammar import forms_german as de
from npformer.data.grammar.entries import NOUNS, Adverb, Noun, Verb
from npformer.data.grammar.leaves import Links
from npformer.data.grammar.lexicon.adjectives import SUPERLATIVES
from npformer.data.grammar.lexicon.nouns import MEN, WOMEN
from npformer.data.grammar.phrases import (
    PRONOUNS,
    Both,
    Couple,
    Name,
    Nominal,
    NounPhrase,
    Pronoun,
    fixed,
    prepositional,
)

T = TypeVar("T")

NAMES = (*WOMEN, *MEN)
KIN = frozenset(entries.KIN)
# People whom someone has: my neighbor, her boss; not my king.
OWN_PERSONS = KIN | {
    noun for noun in entries.PERSONS
    if noun.english[0] in "child friend neighbor teacher doctor colleague boss lawyer guest".split()
}  # fmt: skip
ONE_OF_A_KIND = ("mother", "father", "president")
OWN_PLACES = frozenset("house school garden city village office kitchen castle".split())
POSSESSIVES = ("my", "your", "his", "her", "our", "their")
UNCOUNTABLE_WITH_ARTICLE = ("", "", "", "the", "the", "my", "his", "her")


class PhraseDraw:
    """Draws constituents for one sentence after another; ``begin`` starts a new one."""

    def __init__(self, generator: random.Random) -> None:
        self._random = generator.random
        self.links = Links()

    def begin(self) -> None:
        self.links = Links()

    def below(self, n: int) -> int:
        return int(self._random() * n)

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self._random() * len(items))]

    def chance(self, probability: float) -> bool:
        return self._random() < probability

    def adverb(self, adverbs: Sequence[Adverb]) -> Both:
        return fixed(self.pick(adverbs), self.links)

    # Noun phrases

    def noun(self, kinds: str) -> Noun:
        return self.pick(NOUNS[self.pick(kinds)])

    def _determiner(self, noun: Noun, plural: bool, is_object: bool) -> str:
        roll = self._random()
        owned = noun in OWN_PERSONS if noun.kind == "p" else noun.kind not in "aeh"
        owned = owned or noun.english[0] in OWN_PLACES
        if noun in KIN:
            return self.pick(POSSESSIVES)
        if plural:
            if roll < 0.35:
                return "the"
            if roll < 0.55:
                return "number" if roll < 0.48 else "many" if roll < 0.52 else "some"
            if roll < 0.65:
                return "this"
            bare = is_object and noun.kind != "p"
            return self.pick(POSSESSIVES) if owned else "" if bare else "the"
        if roll < 0.45:
            return "the"
        if roll < 0.65:
            return "a"
        if roll < 0.73:
            return "this"
        if roll < 0.77:
            return "every"
        return self.pick(POSSESSIVES) if owned else "the"

    def _number(self) -> int:
        """2 to 99, mostly; above, no number that ends in one, which would inflect."""
        roll = self._random()
        if roll < 0.4:
            return 2 + self.below(11)
        if roll < 0.9:
            return 13 + self.below(87)
        if roll < 0.95:
            return 100 * (1 + self.below(9))
        number = 100 + self.below(900)
        return number + 1 if number % 100 == 1 else number

    def noun_phrase(
        self,
        kinds: str,
        *,
        is_object: bool = True,
        negated: bool = False,
        plain: bool = False,
        plural: bool | None = None,
    ) -> NounPhrase:
        """``negated`` keeps to what can follow "not"; ``plain`` to short definite phrases."""
        return self.described(self.noun(kinds), is_object, negated, plain, plural)

    def described(
        self,
        noun: Noun,
        is_object: bool = True,
        negated: bool = False,
        plain: bool = False,
        plural: bool | None = None,
    ) -> NounPhrase:
        if plural is None:
            plural = noun.english[0] not in ONE_OF_A_KIND and self.chance(0.28)
        if not noun.countable:
            plural, determiner = False, self.pick(UNCOUNTABLE_WITH_ARTICLE)
            if plain or not is_object:
                determiner = "the"
        elif plain and noun not in KIN:
            determiner = "the" if self.chance(0.75) else "this"
        else:
            determiner = self._determiner(noun, plural, is_object)
            if negated and determiner in ("number", "many", "some", "every"):
                determiner = "" if plural else "a"
        number = self._number() if determiner == "number" else 0
        adjective, superlative = None, False
        if noun.adjectives and not plain and self.chance(0.28):
            adjective = self.pick(noun.adjectives)
            superlative = (
                determiner == "the" and adjective.english in SUPERLATIVES and self.chance(0.3)
            )
        possessor: Nominal | None = None
        if determiner == "the" and not plain and not superlative and self.chance(0.12):
            determiner, possessor = self._possessor(noun, plural, determiner)
        return NounPhrase(
            self.links, noun, determiner, plural, adjective, superlative, number, possessor
        )

    def _possessor(self, noun: Noun, plural: bool, otherwise: str) -> tuple[str, Nominal | None]:
        if noun.kind not in "oltcvsw" and noun not in OWN_PERSONS:
            return otherwise, None
        if self.chance(0.35):
            return "'s", Name(self.links, self.pick(NAMES))
        return "'s", self.noun_phrase("p", plain=True, plural=False)

    def part(self) -> NounPhrase:
        """ "the price of the house", der Preis des Hauses."""
        whole = self.noun_phrase("ohv", plain=True, plural=False)
        part = self.pick(entries.PARTS)
        return NounPhrase(self.links, part, "of", possessor=whole)

    def subject(self, kinds: str, pronouns: float = 0.35) -> Nominal:
        kind = "p" if "p" in kinds and self.chance(0.85) else self.pick(kinds)
        if kind == "p":
            roll = self._random()
            if roll < pronouns:
                return Pronoun(self.links, self.pick(PRONOUNS))
            if roll < pronouns + 0.13:
                return Name(self.links, self.pick(NAMES))
            if roll < pronouns + 0.17:
                return self.couple()
        phrase = self.noun_phrase(kind, is_object=False)
        if phrase.determiner == "a" and self.chance(0.15):
            phrase.determiner = "no"
        return phrase

    def couple(self) -> Couple:
        first = Name(self.links, self.pick(NAMES))
        second: Nominal = Name(self.links, self.pick(NAMES))
        if self.chance(0.5) or second.name == first.name:  # type: ignore[attr-defined]
            second = NounPhrase(self.links, self.pick(entries.KIN), self.pick(POSSESSIVES))
        return Couple(self.links, first, second)

    def object(self, kinds: str, subject: Nominal | None, negated: bool) -> Nominal:
        """An object; a person is sometimes a pronoun or a name, but never the subject again."""
        kind = self.pick(kinds)
        if kind == "p":
            roll = self._random()
            if roll < 0.25:
                return self._other_pronoun(subject)
            if roll < 0.38:
                return Name(self.links, self.pick(NAMES))
        return self.noun_phrase(kind, negated=negated)

    def _other_pronoun(self, subject: Nominal | None) -> Pronoun:
        while True:
            forms = self.pick(PRONOUNS)
            if subject is None:
                return Pronoun(self.links, forms)
            taken = subject.person
            same = forms is getattr(subject, "forms", None) or (
                forms[3] == taken and taken not in (2, 4)
            )
            if not same and (forms[3], taken) not in SAME_PEOPLE:
                return Pronoun(self.links, forms)

    # Adverbials

    def place(self) -> Both:
        """Where: at the station, in Berlin, at home, here."""
        roll = self._random()
        if roll < 0.12:
            return self.adverb(entries.HERE)
        if roll < 0.2:
            return fixed(entries.AT_HOME, self.links)
        if roll < 0.35:
            return self.town("in", "in")
        place = self.pick(entries.PLACES)
        phrase = self.described(place.noun, plain=not self.chance(0.25), plural=False)
        if phrase.determiner in ("every", "a"):
            phrase.determiner = "the"
        return prepositional(self.links, *place.where, de.DATIVE, phrase)

    def direction(self, verb: Verb) -> Both:
        """Where to: to the station, to Berlin, home."""
        roll = self._random()
        if verb.base == "travel":
            return self.town("to", "nach")
        if roll < 0.15:
            return fixed(entries.HOMEWARD, self.links)
        if roll < 0.35:
            return self.town("to", "nach")
        place = self.pick(entries.PLACES)
        phrase = self.described(place.noun, plain=True, plural=False)
        case = de.DATIVE if place.whither == "zu" else de.ACCUSATIVE
        return prepositional(self.links, "to", place.whither, case, phrase)

    def town(self, english: str, german: str) -> Both:
        link = self.links.take(2)
        names = self.pick(entries.TOWNS)
        return Both(
            [(english, link), (names[0], link << 1)], [(german, link), (names[1], link << 1)]
        )

    def beside(self, case: int) -> Both:
        """On, under, behind, next to a piece of furniture: at rest with the dative, else not."""
        preposition = self.pick(entries.TWO_WAY)
        phrase = self.noun_phrase("s", plain=True, plural=False)
        english = " ".join(word for word, _ in preposition.english)
        return prepositional(self.links, english, preposition.german[0][0], case, phrase)

    def time(self, tense: str) -> Both | None:
        """When, to fit a tense; the present perfect goes with no point in time."""
        if tense == "perfect":
            return None
        roll = self._random()
        if roll < 0.14:
            return dates.at_clock(self.links, self.below)
        if roll < 0.24:
            return dates.on_weekday(self.links, self.below)
        if tense == "past":
            if roll < 0.36:
                return dates.on_date(self.links, self.below)
            if roll < 0.42:
                return dates.in_year(self.links, self.below)
            if roll < 0.47:
                return dates.in_month(self.links, self.below)
            if roll < 0.56:
                return dates.ago(self.links, self.below)
        elif tense == "future":
            if roll < 0.32:
                return dates.on_date(self.links, self.below, with_year=False)
            if roll < 0.42:
                return dates.hence(self.links, self.below)
        return self.adverb(entries.TIME[tense])


# I and we, or you and we, cannot well be subject and object of one clause.
SAME_PEOPLE = {(0, 3), (3, 0), (1, 3), (3, 1)}
