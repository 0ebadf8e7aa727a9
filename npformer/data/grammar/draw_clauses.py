"""Random clauses: a frame (which objects), a tense or modal, negation, adverbials."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from npformer.data.grammar import entries
from npformer.data.grammar import forms_german as de
from npformer.data.grammar.clauses import BE_VERB, HAD_TO, HAVE_VERB, MODALS, Clause, Modal
from npformer.data.grammar.draw_phrases import PhraseDraw
from npformer.data.grammar.entries import Verb
from npformer.data.grammar.leaves import Phrase
from npformer.data.grammar.lexicon.adjectives import ABSOLUTE
from npformer.data.grammar.phrases import Both, Nominal, fixed, prepositional

Sentence = tuple[Phrase, Phrase, str]  # English, German, final sign

# States of mind and the like: no manner, place or point in time, no modal, no imperative.
STATES = frozenset("love know need admire understand trust live hear remember".split())
# Movements and exchanges that no "in the garden" goes with.
NOWHERE = frozenset("leave come hurry give show bring send lend offer promise".split())
# What nobody does "gladly" or "carefully".
INVOLUNTARY = STATES | frozenset("lose forget find wake fall arrive get".split())
PAST_MODALS = (MODALS[4], HAD_TO)


class ClauseDraw(PhraseDraw):
    """Draws clauses. Options: ``tense`` fixes it; ``bare`` leaves out adverbials; ``person``
    makes a clause without subject, for an infinitive, an imperative or a relative clause."""

    def start(
        self,
        verb: Verb,
        *,
        tense: str | None = None,
        subject: Nominal | None = None,
        person: int | None = None,
        negatable: bool = True,
        modals: bool = True,
    ) -> Clause:
        """A clause with its verb, subject, tense and negation; objects are still to come."""
        link = self.links.take(3)
        if subject is None and person is None:
            subject = self.subject(verb.subjects)
        clause = Clause(link, subject, subject.person if subject is not None else person or 0, verb)
        state = verb.base in STATES or verb is BE_VERB or verb is HAVE_VERB
        clause.tense, clause.modal = self._tense(verb, tense, modals and not state, state)
        no_subject = getattr(subject, "determiner", "") in ("no", "every", "many", "some")
        if negatable and not no_subject and self.chance(0.14):
            clause.negation = self.links.take()
        return clause

    def _tense(
        self, verb: Verb, tense: str | None, modals: bool, state: bool
    ) -> tuple[str, Modal | None]:
        if tense is None:
            roll = self._random()
            tense = "present" if roll < 0.5 else "past" if roll < 0.78 else "future"
            tense = "perfect" if roll > 0.89 else tense
        if state and tense in ("perfect", "future"):
            tense = "present"
        if modals and tense in ("present", "past") and self.chance(0.2):
            return tense, self.pick(MODALS if tense == "present" else PAST_MODALS)
        if tense == "past" and verb.past == verb.base:  # see _verb
            return "perfect", None
        return tense, None

    def _verb(self, verbs: Sequence[Verb], options: dict[str, object]) -> Verb:
        """A verb; none like "put" where the past is required: "they put" is also the present."""
        verb = self.pick(verbs)
        while options.get("tense") == "past" and verb.past == verb.base:
            verb = self.pick(verbs)
        return verb

    # Frames

    def frame(self, **options: object) -> Clause:
        """A clause of any frame, without adverbials."""
        roll = self._random()
        pick: Callable[..., Clause]
        if roll < 0.14:
            pick = self.intransitive
        elif roll < 0.53:
            pick = self.accusative
        elif roll < 0.62:
            pick = self.dative
        elif roll < 0.74:
            pick = self.ditransitive
        elif roll < 0.84:
            pick = self.prepositional_object
        elif roll < 0.92:
            pick = self.motion
        elif roll < 0.96:
            pick = self.resting
        else:
            pick = self.placing
        return pick(**options)

    def intransitive(self, **options: object) -> Clause:
        return self.start(self._verb(entries.INTRANSITIVE, options), **options)  # type: ignore[arg-type]

    def accusative(self, **options: object) -> Clause:
        verb = self._verb(entries.ACCUSATIVE, options)
        clause = self.start(verb, **options)  # type: ignore[arg-type]
        if verb.base in ("know", "forget") and self.chance(0.3):
            clause.accusative = self.part()
        else:
            clause.accusative = self.object(verb.objects, clause.subject, bool(clause.negation))
        return clause

    def dative(self, **options: object) -> Clause:
        verb = self._verb(entries.DATIVE, options)
        clause = self.start(verb, **options)  # type: ignore[arg-type]
        clause.dative = self.object(verb.objects, clause.subject, False)
        if clause.negation and not clause.dative.definite:
            clause.negation = 0
        return clause

    def ditransitive(self, **options: object) -> Clause:
        verb = self._verb(entries.DITRANSITIVE, options)
        clause = self.start(verb, **options)  # type: ignore[arg-type]
        receiver = self.object("p", clause.subject, False)
        if not receiver.pronoun and self.chance(0.6):
            receiver = self.noun_phrase("p", plain=True)
        clause.dative = receiver
        given = self.noun_phrase(verb.objects, negated=bool(clause.negation))
        if given.determiner == "":  # "gives her books" has two readings
            given.determiner = "a" if not given.plural else "the"
            given.definite = given.plural
        clause.accusative = given
        return clause

    def prepositional_object(self, **options: object) -> Clause:
        verb = self._verb(entries.PREPOSITIONAL, options)
        clause = self.start(verb, **options)  # type: ignore[arg-type]
        nominal = self.object(verb.objects, clause.subject, False)
        clause.complement = prepositional(
            self.links, verb.preposition, verb.german_preposition, verb.case, nominal,
            link=0 if verb.preposition else clause.link,
        )  # fmt: skip
        return clause

    def motion(self, **options: object) -> Clause:
        clause = self.start(self._verb(entries.MOTION, options), **options)  # type: ignore[arg-type]
        clause.complement = self.direction(clause.verb)
        return clause

    def resting(self, **options: object) -> Clause:
        verb = self._verb(entries.REST, options)
        clause = self.start(verb, **options)  # type: ignore[arg-type]
        if verb.base in ("sit", "stand", "sleep") and self.chance(0.5):
            clause.complement = self.beside(de.DATIVE)
        else:
            clause.complement = self.place()
        return clause

    def placing(self, **options: object) -> Clause:
        verb = self._verb(entries.PLACING, options)
        clause = self.start(verb, **options)  # type: ignore[arg-type]
        clause.accusative = self.noun_phrase(verb.objects, negated=bool(clause.negation))
        clause.complement = self.beside(de.ACCUSATIVE)
        return clause

    def having(self, **options: object) -> Clause:
        """ "does not have a car", hat kein Auto."""
        clause = self.start(HAVE_VERB, subject=self.subject("p"), **options)  # type: ignore[arg-type]
        kinds = "oovcltea"
        clause.accusative = self.noun_phrase(kinds, negated=bool(clause.negation))
        return clause

    def being(self, **options: object) -> Clause:
        """ "is very old", "is older than", "is as old as": the adjective takes no ending."""
        subject = self.subject("pppaocvhet", pronouns=0.3)
        kind = getattr(getattr(subject, "noun", None), "kind", "p")
        clause = self.start(BE_VERB, subject=subject, **options)  # type: ignore[arg-type]
        self.predicate(clause, kind)
        return clause

    def predicate(self, clause: Clause, kind: str) -> None:
        """Give ``clause`` an adjective that describes a kind of noun, plain or compared."""
        described = DESCRIBED_AS.get(kind, kind)
        adjective = self.pick(PREDICATES[described])
        link = self.links.take(3)
        first, word, last = link, link << 1, link << 2
        english: Phrase = [(adjective.english, word)]
        german: Phrase = [(adjective.german, word)]
        roll = self._random()
        clause.complement = Both(english, german)
        if roll < 0.35 or adjective.english in ABSOLUTE:
            return
        if roll < 0.6:
            degree = self.adverb(entries.DEGREE)
            clause.complement = Both(degree.english + english, degree.german + german)
            return
        other = self.noun_phrase(kind, plain=True)
        compared = other.german(de.NOMINATIVE)
        if roll < 0.85:
            more: Phrase = [(w, word) for w in adjective.comparative_english]
            clause.complement = Both(more, [(adjective.comparative, word)])
            clause.comparison = Both(
                [("than", first), *other.english()], [("als", first), *compared]
            )
        else:
            clause.complement = Both([("as", first), *english], [("so", first), *german])
            clause.comparison = Both([("as", last), *other.english()], [("wie", last), *compared])

    # Adverbials

    def adorn(self, clause: Clause, *, fronting: bool = True, most: int = 2) -> Clause:
        """Add up to ``most`` adverbials; in a main clause one of them may go to the front."""
        base = clause.verb.base
        state = base in STATES or clause.verb is HAVE_VERB
        moving = clause.complement is not None
        left = most
        if self.chance(0.16):
            self._middle(clause, state)
            left -= clause.middle is not None
        if clause.tense == "perfect":
            if clause.middle is None and self.chance(0.7):
                self._aspect(clause)
            return clause
        if left and not state and clause.middle_slot != "frequency" and self.chance(0.42):
            clause.time = self.time("future" if self._future_modal(clause) else clause.tense)
            left -= 1
        if left and not state and not moving and base not in NOWHERE and self.chance(0.28):
            clause.place = self.place()
            left -= 1
        if base in entries.MANNER and not clause.negation and self.chance(0.25):
            clause.manner = self.adverb(entries.MANNER[base])
        if fronting:
            self._bring_forward(clause)
        return clause

    def _no_attitude(self, clause: Clause) -> None:
        if clause.middle_slot == "attitude":  # nobody asks who probably sings
            clause.middle, clause.middle_slot = None, ""

    def _future_modal(self, clause: Clause) -> bool:
        return clause.modal is not None and clause.tense == "present" and self.chance(0.5)

    def _middle(self, clause: Clause, state: bool) -> None:
        if clause.negation or getattr(clause.subject, "determiner", "") == "no":
            return
        roll = self._random()
        if roll < 0.35:
            clause.middle, clause.middle_slot = self.adverb(entries.ATTITUDE_MIDDLE), "attitude"
        elif clause.tense == "present" and not clause.modal and not state and roll < 0.8:
            clause.middle, clause.middle_slot = self.adverb(entries.FREQUENCY), "frequency"
        elif clause.verb.base not in INVOLUNTARY and not clause.modal:
            clause.middle, clause.middle_slot = fixed(entries.GLADLY, self.links), "manner"

    def _aspect(self, clause: Clause) -> None:
        if clause.negation:
            clause.yet = self.links.take()
        elif getattr(clause.subject, "determiner", "") != "no":
            clause.middle, clause.middle_slot = self.adverb(entries.ASPECT), "aspect"

    def _bring_forward(self, clause: Clause) -> None:
        if clause.time is not None and self.chance(0.4):
            clause.front, clause.time = clause.time, None
        elif clause.place is not None and self.chance(0.25):
            clause.front, clause.place = clause.place, None
        elif self.chance(0.06):
            clause.front = self.adverb(entries.ATTITUDE_FRONT)


DESCRIBED_AS = {"l": "o", "s": "o", "w": "o", "b": "f"}
PREDICATES = {
    kind: tuple(adjective for adjective in entries.ADJECTIVES if kind in adjective.kinds)
    for kind in "pafdtochve"
}
