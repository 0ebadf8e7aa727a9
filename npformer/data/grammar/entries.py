"""The lexicon as objects: every form that a sentence can need, made once, at import."""

from __future__ import annotations

from dataclasses import dataclass

from npformer.data.grammar import forms_english as english
from npformer.data.grammar import forms_german as german
from npformer.data.grammar.leaves import Phrase
from npformer.data.grammar.lexicon import adjectives, adverbs, nouns, verbs


@dataclass(frozen=True, slots=True, eq=False)
class Adjective:
    english: str
    german: str  # as a predicate: teuer
    stem: str  # before an ending: teur-
    comparative_english: tuple[str, ...]
    superlative_english: tuple[str, ...]
    comparative: str
    superlative: str  # before an ending: teuerst-
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Noun:
    english: tuple[str, str]  # singular, plural; equal if uncountable
    german: tuple[tuple[str, ...], tuple[str, ...] | None]  # singular, plural: four cases each
    gender: int
    kind: str
    adjectives: tuple[Adjective, ...]

    @property
    def countable(self) -> bool:
        return self.german[1] is not None


@dataclass(frozen=True, slots=True, eq=False)
class Location:
    noun: Noun
    where: tuple[str, str]  # English and German preposition of rest
    whither: str  # German preposition of motion


@dataclass(frozen=True, slots=True, eq=False)
class Verb:
    base: str
    third: str
    past: str
    participle: str
    particle: str  # "up" in "pick up"; English
    preposition: str  # "for" in "wait for"; English
    prefix: str  # "an" in "anrufen"; German, separable
    infinitive: str  # without the prefix
    present: tuple[str, ...]
    perfect: str  # past participle without the prefix
    imperative: str
    sein: bool  # auxiliary of the perfect
    reflexive: bool
    german_preposition: str
    case: int  # of the German prepositional object
    subjects: str  # kinds, one letter each
    objects: str


@dataclass(frozen=True, slots=True, eq=False)
class Adverb:
    """A fixed phrase; each word carries the number of its group."""

    english: tuple[tuple[str, int], ...]
    german: tuple[tuple[str, int], ...]
    groups: int

    def english_phrase(self, link: int) -> Phrase:
        return [(word, link << group) for word, group in self.english]

    def german_phrase(self, link: int) -> Phrase:
        return [(word, link << group) for word, group in self.german]


def _lines(table: str) -> list[str]:
    return [line.strip() for line in table.strip().splitlines()]


def _adjective(line: str) -> Adjective:
    forms, kinds = line.split(":")
    word, predicate, *rest = forms.split()
    stem, comparative, superlative = predicate, predicate + "er", predicate + "st"
    if predicate[-1] in "dtsßz" and not predicate.endswith("end"):
        superlative = predicate + "est"
    if len(rest) == 1:
        stem = rest[0].strip("()")
        comparative = stem + "er"
    elif len(rest) == 2:
        comparative, superlative = rest
    return Adjective(
        word, predicate, stem, *english.comparison(word), comparative, superlative,
        frozenset(kinds.split()),
    )  # fmt: skip


ADJECTIVES = tuple(_adjective(line) for line in _lines(adjectives.ADJECTIVES))


def _noun(line: str, kind: str, described_as: str) -> Noun:
    entry, _, rest = line.partition("  ") if "  " in line else line.partition(" ")
    singular, _, plural = entry.partition("/")
    article, *forms = rest.replace(",", "").split()
    gender = german.GENDERS[article]
    nominative, genitive = forms[:2]
    countable = len(forms) == 3
    described = tuple(a for a in ADJECTIVES if described_as in a.kinds)
    return Noun(
        (singular, (plural or english.add_s(singular)) if countable else singular),
        german.noun_forms(gender, nominative, genitive, forms[2] if countable else None),
        gender, kind, described,
    )  # fmt: skip


def _nouns(table: str, kind: str, described_as: str = "") -> tuple[Noun, ...]:
    return tuple(_noun(line.split(";")[0], kind, described_as or kind) for line in _lines(table))


KIN = _nouns(nouns.KIN, "p")
PERSONS = _nouns(nouns.PERSON, "p")
EVENTS = _nouns(nouns.EVENT, "e")
VEHICLES = _nouns(nouns.VEHICLE, "v")
SURFACES = _nouns(nouns.SURFACE, "s", "o")
WEATHER = _nouns(nouns.WEATHER, "n", "-")
PARTS = _nouns(nouns.PART, "q", "-")


def _place(line: str) -> Location:
    entry, where, whither = line.split(";")
    english_where, german_where = where.split()
    return Location(_noun(entry, "h", "h"), (english_where, german_where), whither.strip())


PLACES = tuple(_place(line) for line in _lines(nouns.PLACE))
NOUNS: dict[str, tuple[Noun, ...]] = {
    "p": PERSONS + KIN,
    "a": _nouns(nouns.ANIMAL, "a"),
    "f": _nouns(nouns.FOOD, "f"),
    "b": _nouns(nouns.MASS_FOOD, "b", "f"),
    "d": _nouns(nouns.DRINK, "d"),
    "t": _nouns(nouns.TEXT, "t"),
    "o": _nouns(nouns.THING, "o"),
    "l": _nouns(nouns.DEVICE, "l", "o"),
    "c": _nouns(nouns.CLOTHES, "c"),
    "s": SURFACES,
    "w": _nouns(nouns.OPENABLE, "w", "o"),
    "v": VEHICLES,
    "h": tuple(place.noun for place in PLACES),
    "u": tuple(p.noun for p in PLACES if p.noun.english[0] in nouns.BUILDINGS),
    "e": EVENTS,
}


def _verb(line: str) -> Verb:
    fields = [field.strip() for field in line.split(":")]
    head, translation, subjects = fields[:3]
    objects = fields[3] if len(fields) > 3 else ""
    preposition, german_preposition, case = "", "", "accusative"
    if len(fields) > 4:
        preposition, german_preposition, case = fields[4].split()
    forms, _, particle = head.partition("+")
    base, *irregular = forms.split()
    if len(irregular) in (1, 3):  # "listen to": a preposition that German has no word for
        preposition = irregular.pop()
    past, participle = irregular or (english.add_ed(base), english.add_ed(base))

    target = translation.split()
    sein, reflexive = target[0] == "sein", target[0] == "sich"
    infinitive, *given = target[1:] if sein or reflexive else target
    prefix, _, bare = infinitive.rpartition("+")
    perfect = given[0] if given else german.weak_participle(bare)
    er = given[1] if len(given) > 1 else None
    return Verb(
        base, english.add_s(base), past, participle, particle,
        preposition.strip("-"), prefix, bare, german.present(bare, er), perfect,
        german.imperative(bare, er),
        sein, reflexive, german_preposition, german.CASES[case],
        subjects.replace(" ", ""), objects.replace(" ", ""),
    )  # fmt: skip


def _verbs(table: str) -> tuple[Verb, ...]:
    return tuple(_verb(line) for line in _lines(table))


INTRANSITIVE = _verbs(verbs.INTRANSITIVE)
ACCUSATIVE = _verbs(verbs.ACCUSATIVE)
DATIVE = _verbs(verbs.DATIVE)
DITRANSITIVE = _verbs(verbs.DITRANSITIVE)
PREPOSITIONAL = _verbs(verbs.PREPOSITIONAL)
MOTION = _verbs(verbs.MOTION)
REST = _verbs(verbs.REST)
PLACING = _verbs(verbs.PLACING)
HAPPENING = _verbs(verbs.HAPPENING)
SAYING = _verbs(verbs.SAYING)
ASKING = _verbs(verbs.ASKING)
TRYING = _verbs(verbs.TRYING)


def _groups(side: str) -> tuple[tuple[str, int], ...]:
    out: list[tuple[str, int]] = []
    for number, group in enumerate(side.strip().split("|")):
        given, colon, rest = group.partition(":")
        index = int(given) - 1 if colon else number
        out += [(word, index) for word in (rest if colon else group).split()]
    return tuple(out)


def adverb(line: str) -> Adverb:
    """The adverb of a line such as ``a|b = 2:B|1:A``."""
    source, target = (_groups(side) for side in line.split("="))
    return Adverb(source, target, 1 + max(group for _, group in source))


def adverb_table(table: str) -> tuple[Adverb, ...]:
    return tuple(adverb(line) for line in _lines(table))


TIME = {
    "present": adverb_table(adverbs.TIME_PRESENT),
    "past": adverb_table(adverbs.TIME_PAST),
    "future": adverb_table(adverbs.TIME_FUTURE),
}
FREQUENCY = adverb_table(adverbs.FREQUENCY)
ATTITUDE_MIDDLE = adverb_table(adverbs.ATTITUDE_MIDDLE)
ATTITUDE_FRONT = adverb_table(adverbs.ATTITUDE_FRONT)
MANNER: dict[str, tuple[Adverb, ...]] = {}  # by English verb
for _line in _lines(adverbs.MANNER):
    _phrase, _, _verbs_of = _line.partition(":")
    for _base in _verbs_of.split():
        MANNER[_base] = (*MANNER.get(_base, ()), adverb(_phrase))
DEGREE = adverb_table(adverbs.DEGREE)
GLADLY = adverb(adverbs.GLADLY)
ASPECT = adverb_table(adverbs.ASPECT)
YET = adverb(adverbs.YET)
PLEASE = adverb(adverbs.PLEASE)
TWO_WAY = adverb_table(adverbs.TWO_WAY)
HERE = adverb_table(adverbs.HERE)
AT_HOME = adverb(adverbs.HOME)
HOMEWARD = adverb(adverbs.HOMEWARD)
SUBORDINATORS = {
    "present": adverb_table(adverbs.SUBORDINATORS_PRESENT),
    "past": adverb_table(adverbs.SUBORDINATORS_PAST),
}
WEEKDAYS = tuple(tuple(line.split()) for line in _lines(adverbs.WEEKDAYS))
MONTHS = tuple(tuple(line.split()) for line in _lines(adverbs.MONTHS))
TOWNS = tuple(tuple(line.split()) for line in _lines(nouns.TOWNS))
