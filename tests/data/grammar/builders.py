"""Short ways to build the nodes of a derivation by hand, from the English words."""

from __future__ import annotations

from collections.abc import Callable

from npformer.data.grammar import dates, entries
from npformer.data.grammar import forms_german as de
from npformer.data.grammar.clauses import (
    BE_VERB,
    HAD_TO,
    HAVE_VERB,
    MODALS,
    Clause,
    Infinitive,
    Relative,
)
from npformer.data.grammar.entries import Adjective, Adverb, Noun, Verb, adverb
from npformer.data.grammar.leaves import Links, Phrase, align, spell, words
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

LINKS = Links()
TENSES = ("present", "past", "perfect", "future")
ALL_NOUNS = {
    noun.english[0]: noun
    for table in (*entries.NOUNS.values(), entries.WEATHER, entries.PARTS)
    for noun in table
}
ALL_ADJECTIVES = {adjective.english: adjective for adjective in entries.ADJECTIVES}
MODAL = {modal.forms[0]: modal for modal in MODALS} | {"have to": HAD_TO}
WHO = Pronoun(LINKS, ("who", "whom", ("wer", "wen", "wem"), 2))


def noun(english: str) -> Noun:
    return ALL_NOUNS[english]


def adjective(english: str) -> Adjective:
    return ALL_ADJECTIVES[english]


def verb(table: tuple[Verb, ...], english: str) -> Verb:
    """By base form and particle or preposition: ``turn off``, ``look for``."""
    for entry in table:
        if english in (entry.base, f"{entry.base} {entry.particle or entry.preposition}"):
            return entry
    raise KeyError(english)


def np(text: str, **options: object) -> Nominal:
    """``"the old man"``, ``"three cats"`` (as ``number=3``), ``"they"``, ``"Anna"``.

    The first word is the determiner (``-`` for none); the last is a noun in the singular, with
    ``plural=True`` for the plural.
    """
    for forms in PRONOUNS:
        if text == forms[0]:
            return Pronoun(LINKS, forms)
    if text[0].isupper():
        return Name(LINKS, text)
    determiner, *described, head = text.split()
    determiner = "" if determiner == "-" else determiner
    word = adjective(described[0]) if described else None
    return NounPhrase(LINKS, noun(head), determiner, adjective=word, **options)  # type: ignore


def adv(line: str) -> Both:
    return fixed(adverb(line), LINKS)


def pp(english: str, german: str, case: int, nominal: Nominal) -> Both:
    return prepositional(LINKS, english, german, case, nominal)


def clause(subject: Nominal | None, verb_: Verb, **fields: object) -> Clause:
    """``negated=True`` and ``yet=True`` take their links here."""
    for name, field in (("negated", "negation"), ("yet", "yet")):
        if fields.pop(name, False):
            fields[field] = LINKS.take()
    person = fields.pop("person", subject.person if subject is not None else 2)
    return Clause(LINKS.take(3), subject, person, verb_, **fields)  # type: ignore[arg-type]


def statement(made: Clause) -> tuple[str, str]:
    return text(made.english(), "."), text(made.german(), ".")


def question(made: Clause, wh: Both | None = None) -> tuple[str, str]:
    english = made.english_question(wh.english if wh else None)
    return text(english, "?"), text(made.german_question(wh.german if wh else None), "?")


def final(conjunction: str, main: Clause, inner: Clause) -> tuple[str, str]:
    """A main clause and, after it, a verb-final one."""
    both = adv(conjunction)
    english = [*main.english(), *both.english, *inner.english()]
    german = [*main.german(), (",", 0), *both.german, *inner.german_final()]
    return text(english, "."), text(german, ".")


def fronted(conjunction: str, main: Clause, inner: Clause) -> tuple[str, str]:
    """The same with the verb-final clause first."""
    both = adv(conjunction)
    english = [*both.english, *inner.english(), (",", 0), *main.english()]
    german = [*both.german, *inner.german_final(), (",", 0)]
    return text(english, "."), text(main.german(front=german), ".")


def fixed_choices(*values: int) -> Callable[[int], int]:
    """A stand-in for chance: gives the values one after another."""
    left = iter(values)
    return lambda n: next(left)


def text(phrase: Phrase, end: str) -> str:
    return spell(phrase, end)[0]


def links_of(english: Phrase, german: Phrase) -> set[tuple[str, str]]:
    """The aligned words of a sentence, without the final signs."""
    source, source_masks = spell(english, ".")
    target, target_masks = spell(german, ".")
    pairs = align(source_masks, target_masks)
    return {(words(source)[i], words(target)[j]) for i, j in pairs} - {(".", ".")}


__all__ = [
    "BE_VERB",
    "HAVE_VERB",
    "LINKS",
    "MODAL",
    "TENSES",
    "WHO",
    "Adverb",
    "Both",
    "Couple",
    "Infinitive",
    "NounPhrase",
    "Relative",
    "adjective",
    "adv",
    "clause",
    "dates",
    "de",
    "entries",
    "final",
    "fixed_choices",
    "fronted",
    "links_of",
    "noun",
    "np",
    "pp",
    "question",
    "statement",
    "text",
    "verb",
]  # fmt: skip
