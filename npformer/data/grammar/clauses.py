"""The clause: one derivation, an English word order and a German one.

English keeps subject, verb, object, place, time. German sorts the same parts into fields (the
topological model, Drach 1937): what comes first, the finite verb, the middle field, and the
right bracket, where prefixes, participles and infinitives wait for the end:

    main          front      finite   middle field                 right bracket
                  Gestern    hat      der Mann das Fenster         zugemacht
    subordinate   weil                der Mann das Fenster         zugemacht hat
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from npformer.data.grammar import forms_german as de
from npformer.data.grammar.entries import Verb
from npformer.data.grammar.forms_english import BE, WAS
from npformer.data.grammar.leaves import COMMA, Leaf, Phrase
from npformer.data.grammar.phrases import INDEFINITE, Both, Nominal, with_relative


class Modal(NamedTuple):
    """A modal verb. ``forms`` are English base, third person and past of "want to", "have to";
    a modal that needs no "do" has one form."""

    forms: tuple[str, ...]
    negative: tuple[str, ...]  # the same under negation: not must, but have to
    present: tuple[str, ...]
    past: tuple[str, ...] | None  # None where English has no unambiguous past


WANT = ("want", "wants", "wanted")
HAVE_TO = ("have", "has", "had")
MODALS = (
    Modal(("can",), ("cannot",), ("kann", "kannst", "kann", "können", "können"), None),
    Modal(("must",), HAVE_TO, ("muss", "musst", "muss", "müssen", "müssen"), None),
    Modal(("should",), ("should",), ("sollte", "solltest", "sollte", "sollten", "sollten"), None),
    Modal(("may",), ("may",), ("darf", "darfst", "darf", "dürfen", "dürfen"), None),
    Modal(
        WANT, WANT, ("will", "willst", "will", "wollen", "wollen"),
        ("wollte", "wolltest", "wollte", "wollten", "wollten"),
    ),
)  # fmt: skip
HAD_TO = Modal(
    HAVE_TO, HAVE_TO, MODALS[1].present, ("musste", "musstest", "musste", "mussten", "mussten")
)

BE_VERB = Verb(
    "be", "is", "was", "been", "", "", "", "sein", de.SEIN, "gewesen", "sei", True, False, "",
    de.NOMINATIVE, "", "",
)  # fmt: skip
HAVE_VERB = Verb(
    "have", "has", "had", "had", "", "", "", "haben", de.HABEN, "gehabt", "hab", False, False, "",
    de.ACCUSATIVE, "", "",
)  # fmt: skip
PAST_IN_ONE_WORD = {
    "sein": de.WAR,
    "haben": ("hatte", "hattest", "hatte", "hatten", "hatten"),
}


@dataclass(slots=True, eq=False)
class Clause:
    """Who does what, when, where and how. ``link`` is the lowest of three bits: verb, tense, modal.

    ``subject`` is None where a relative clause or an infinitive leaves it out; ``person`` then
    says how the verb agrees. ``negation`` and ``yet`` are links, 0 where there is none.
    """

    link: int
    subject: Nominal | None
    person: int
    verb: Verb
    tense: str = "present"  # present, past, perfect, future
    modal: Modal | None = None
    negation: int = 0
    yet: int = 0
    dative: Nominal | None = None
    accusative: Nominal | None = None
    complement: Both | None = None  # direction, prepositional object, predicate
    comparison: Both | None = None  # "than the man", after everything else in German
    middle: Both | None = None  # an adverb before the English main verb
    middle_slot: str = ""  # its place in German: attitude, frequency, manner, aspect
    manner: Both | None = None
    place: Both | None = None
    time: Both | None = None
    front: Both | None = None  # an adverbial at the head of the main clause
    afterwards: Any = None  # an Infinitive, after everything else

    # English

    def _english_verb(self, inverted: bool) -> tuple[Phrase, Phrase]:
        """The auxiliary, or nothing, and the rest of the verb group."""
        verb, person = self.verb, self.person
        main, tense, modal = self.link, self.link << 1, self.link << 2
        third = person == 2
        if self.tense == "future":
            return [("will", tense)], [(verb.base, main)]
        if self.tense == "perfect":
            return [("has" if third else "have", tense)], [(verb.participle, main)]
        past = self.tense == "past"
        tail, bit = Phrase(), main
        forms: tuple[str, ...] = (verb.base, verb.third, verb.past)
        if self.modal:
            forms = self.modal.negative if self.negation else self.modal.forms
            tail, bit = [(verb.base, main)], modal
            if len(forms) == 1:
                return [(forms[0], modal | tense)], tail
            tail.insert(0, ("to", modal))
        elif verb is BE_VERB:
            return [((WAS if past else BE)[person], main | tense)], []
        if self.negation or inverted:
            do = "did" if past else "does" if third else "do"
            return [(do, tense)], [(forms[0], bit), *tail]
        return [], [(forms[2 if past else 1 if third else 0], bit | tense), *tail]

    def _english_rest(self) -> Phrase:
        """Everything after the verb group: objects, manner, place, time."""
        verb, phrase = self.verb, Phrase()
        if verb.preposition and not verb.german_preposition and verb.case == de.ACCUSATIVE:
            phrase.append((verb.preposition, self.link))
        object_first = self.accusative is not None and self.accusative.pronoun
        if verb.particle and not object_first:
            phrase.append((verb.particle, self.link))
        if self.dative is not None:
            phrase += self.dative.english()
        if self.accusative is not None:
            phrase += self.accusative.english()
        if verb.particle and object_first:
            phrase.append((verb.particle, self.link))
        for part in (self.complement, self.comparison, self.manner, self.place, self.time):
            if part is not None:
                phrase += part.english
        if self.afterwards is not None:
            phrase += self.afterwards.english()
        if self.yet:
            phrase.append(("yet", self.yet))
        return phrase

    def english(self, front: bool = True) -> Phrase:
        """A statement; ``front=False`` leaves out the fronted adverbial."""
        auxiliary, main = self._english_verb(inverted=False)
        phrase = list(self.front.english) if front and self.front else []
        if self.subject is not None:
            phrase += self.subject.english(False)
        phrase += auxiliary
        if self.negation:
            if auxiliary[0][0] == "cannot":
                phrase[-1] = ("cannot", auxiliary[0][1] | self.negation)
            else:
                phrase.append(("not", self.negation))
        if self.middle is not None:
            phrase += self.middle.english
        return phrase + main + self._english_rest()

    def english_question(self, wh: Phrase | None = None) -> Phrase:
        """Yes/no, or after a question word that is not the subject."""
        assert self.subject is not None
        auxiliary, main = self._english_verb(inverted=True)
        phrase = (wh or []) + auxiliary + self.subject.english(False)
        if self.middle is not None:
            phrase += self.middle.english
        return phrase + main + self._english_rest()

    def english_infinitive(self) -> Phrase:
        """Without "to"; also the imperative."""
        return [(self.verb.base, self.link), *self._english_rest()]

    # German

    def _german_verb(self) -> tuple[Leaf, Phrase]:
        """The finite verb and the right bracket."""
        verb, person = self.verb, self.person
        main, tense, modal = self.link, self.link << 1, self.link << 2
        if self.modal:
            forms = self.modal.past if self.tense == "past" else self.modal.present
            assert forms is not None
            return (forms[person], modal | tense), [(verb.prefix + verb.infinitive, main)]
        if self.tense == "future":
            return (de.WERDEN[person], tense), [(verb.prefix + verb.infinitive, main)]
        if self.tense == "past" and verb.infinitive in PAST_IN_ONE_WORD:
            return (PAST_IN_ONE_WORD[verb.infinitive][person], main | tense), []
        if self.tense != "present":
            auxiliary = de.SEIN if verb.sein else de.HABEN
            return (auxiliary[person], tense), [(verb.prefix + verb.perfect, main)]
        prefix: Phrase = [(verb.prefix, main)] if verb.prefix else []
        return (verb.present[person], main | tense), prefix

    def _middle_field(self, reflexive_done: bool = False) -> Phrase:
        """Pronouns, attitude, time, dative, definite object; not; manner, place, the rest."""
        phrase: Phrase = []
        dative, accusative = self.dative, self.accusative
        slot = self.middle_slot
        if self.verb.reflexive and not reflexive_done:
            phrase.append((de.REFLEXIVE[self.person], self.link))
        if accusative is not None and accusative.pronoun:
            phrase += accusative.german(de.ACCUSATIVE)
        if dative is not None and dative.pronoun:
            phrase += dative.german(de.DATIVE)
        if slot == "attitude":
            phrase += self.middle.german  # type: ignore[union-attr]
        if self.time is not None:
            phrase += self.time.german
        if dative is not None and not dative.pronoun:
            phrase += dative.german(de.DATIVE)
        if slot == "frequency":
            phrase += self.middle.german  # type: ignore[union-attr]
        definite = accusative is not None and accusative.definite
        if definite and not accusative.pronoun:  # type: ignore[union-attr]
            phrase += accusative.german(de.ACCUSATIVE)  # type: ignore[union-attr]
        if slot == "aspect":
            phrase += self.middle.german  # type: ignore[union-attr]
        if self.yet:
            phrase.append(("noch", self.yet))
        into_object = not definite and getattr(accusative, "determiner", None) in INDEFINITE
        if self.negation and not into_object:
            phrase.append(("nicht", self.negation))
        if slot == "manner":
            phrase += self.middle.german  # type: ignore[union-attr]
        if self.manner is not None:
            phrase += self.manner.german
        if self.place is not None:
            phrase += self.place.german
        if accusative is not None and not definite:
            phrase += accusative.german(de.ACCUSATIVE, self.negation if into_object else 0)
        if self.complement is not None:
            phrase += self.complement.german
        return phrase

    def _after_field(self) -> Phrase:
        """What follows the right bracket: a comparison, an object's relative, an infinitive."""
        phrase: Phrase = list(self.comparison.german) if self.comparison else []
        for nominal in (self.dative, self.accusative):
            if nominal is not None and nominal.relative is not None:
                phrase += with_relative(nominal, [])
        if self.afterwards is not None:
            phrase += [COMMA, *self.afterwards.german(), COMMA]
        return phrase

    def _subject_and_middle(self) -> Phrase:
        """After the finite verb or a conjunction. A reflexive pronoun goes before a subject that
        is a noun, and after one that is a pronoun: freut sich der Mann, freut er sich."""
        subject = self.subject
        if subject is None:
            return self._middle_field()
        phrase = with_relative(subject, subject.german(de.NOMINATIVE))
        if self.verb.reflexive and not subject.pronoun:
            phrase.insert(0, (de.REFLEXIVE[self.person], self.link))
            return phrase + self._middle_field(reflexive_done=True)
        return phrase + self._middle_field()

    def german(self, front: Phrase | None = None) -> Phrase:
        """Verb second: the front is ``front``, else the fronted adverbial, else the subject."""
        finite, right = self._german_verb()
        if front is None and self.front is not None:
            front = self.front.german
        if front is not None:
            phrase = [*front, finite, *self._subject_and_middle()]
        else:
            assert self.subject is not None
            subject = with_relative(self.subject, self.subject.german(de.NOMINATIVE))
            phrase = [*subject, finite, *self._middle_field()]
        return phrase + right + self._after_field()

    def german_question(self, wh: Phrase | None = None) -> Phrase:
        """Verb first, or second after the question word."""
        return self.german(front=wh or [])

    def german_final(self) -> Phrase:
        """Verb last, as after a conjunction; a separable prefix rejoins its verb."""
        (finite, mask), right = self._german_verb()
        if self.verb.prefix and self.tense == "present" and not self.modal:
            right = [(self.verb.prefix + finite, mask)]
        else:
            right = [*right, (finite, mask)]
        return self._subject_and_middle() + right + self._after_field()

    def german_imperative(self, please: Phrase) -> Phrase:
        """To one person: Mach bitte die Tür zu."""
        prefix: Phrase = [(self.verb.prefix, self.link)] if self.verb.prefix else []
        verb = (self.verb.imperative, self.link)
        return [*please, verb, *self._middle_field(), *prefix]

    def german_zu(self, to: int) -> Phrase:
        """The infinitive with zu, which goes between prefix and verb: anzurufen."""
        verb, main = self.verb, self.link
        if verb.prefix:
            last: Phrase = [(f"{verb.prefix}zu{verb.infinitive}", main | to)]
        else:
            last = [("zu", to), (verb.infinitive, main)]
        return self._middle_field() + last


class Infinitive(NamedTuple):
    """ "to open the door", die Tür zu öffnen; with a purpose, um die Tür zu öffnen."""

    clause: Clause
    to: int
    purpose: bool

    def english(self) -> Phrase:
        return [("to", self.to), *self.clause.english_infinitive()]

    def german(self) -> Phrase:
        start: Phrase = [("um", self.to)] if self.purpose else []
        return start + self.clause.german_zu(self.to)


class Relative(NamedTuple):
    """A relative clause on a noun of ``gender``; its verb stands last in German.

    ``case`` is that of the gap in the clause, which the pronoun fills; a genitive
    ("whose", dessen or deren) leaves no gap, and takes the article of the clause's subject.
    """

    clause: Clause
    link: int
    english_pronoun: str
    case: int
    gender: int

    def english(self) -> Phrase:
        return [(self.english_pronoun, self.link), *self.clause.english()]

    def german(self) -> Phrase:
        return [(de.RELATIVE[self.case][self.gender], self.link), *self.clause.german_final()]
