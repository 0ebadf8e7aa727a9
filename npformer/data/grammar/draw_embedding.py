"""Random sentences with a clause inside another: there the German verb goes last."""

from __future__ import annotations

from npformer.data.grammar import entries
from npformer.data.grammar import forms_german as de
from npformer.data.grammar.clauses import (
    BE_VERB,
    Infinitive,
    Relative,
)
from npformer.data.grammar.draw_clauses import INVOLUNTARY, STATES, ClauseDraw, Sentence
from npformer.data.grammar.entries import adverb
from npformer.data.grammar.leaves import COMMA, Phrase
from npformer.data.grammar.phrases import (
    NounPhrase,
)

WEATHER = (adverb("it|rains = es|regnet"), adverb("it|snows = es|schneit")) + tuple(
    adverb(f"it|is|{english} = es|ist|{german}")
    for english, german in (
        ("cold", "kalt"),
        ("warm", "warm"),
        ("dark", "dunkel"),
        ("late", "spät"),
    )
)


class EmbeddingDraw(ClauseDraw):
    """Draws conjunctions, that and whether, relative clauses, infinitives."""

    def subordination(self) -> Sentence:
        """Because, although, if: the verb goes last; before the main clause it also inverts it."""
        past = self.chance(0.4)
        tense = "past" if past else "present"
        conjunction = self.adverb(entries.SUBORDINATORS[tense])
        main = self.frame(tense=tense)
        inner: Phrase
        if not past and self.chance(0.2):
            weather = self.adverb(WEATHER)
            german = weather.german
            inner = weather.english
            verb_last: Phrase = [german[0], *german[2:], german[1]]
        else:
            negatable = conjunction.english[0][0] in ("because", "although", "if")
            draw = self.being if self.chance(0.25) else self.frame
            clause = draw(tense=tense, negatable=negatable)
            if clause.verb is not BE_VERB and self.chance(0.3):
                self.adorn(clause, fronting=False, most=1)
                self._no_attitude(clause)
            inner, verb_last = clause.english(), clause.german_final()
        english = conjunction.english + inner
        german = [*conjunction.german, *verb_last, COMMA]
        if self.chance(0.4):
            return [*english, COMMA, *main.english()], main.german(front=german), "."
        return main.english() + english, [*main.german(), COMMA, *german], "."

    def report(self) -> Sentence:
        """That and whether."""
        asking = self.chance(0.3)
        verb = self.pick(entries.ASKING if asking else entries.SAYING)
        tense = self.pick(("present", "present", "past"))
        matrix = self.start(verb, tense=tense, modals=False, negatable=False)
        if (asking and verb.base == "know") or (not asking and self.chance(0.12)):
            matrix.negation = self.links.take()
        link = self.links.take()
        inner_tense = "past" if tense == "past" else None
        clause = (
            self.being(tense=inner_tense) if self.chance(0.25) else self.frame(tense=inner_tense)
        )
        if clause.verb is not BE_VERB:
            self.adorn(clause, fronting=False, most=1)
        if asking:
            self._no_attitude(clause)
        words = ("whether", "ob") if asking else ("that", "dass")
        return (
            [*matrix.english(), (words[0], link), *clause.english()],
            [*matrix.german(), COMMA, (words[1], link), *clause.german_final()],
            ".",
        )

    def relative_clause(self, head: NounPhrase, tense: str) -> Relative:
        """A relative clause in a tense, present or past, that goes with the main clause's."""
        link = self.links.take()
        gender = head.gender
        roll = self._random()
        if head.noun.kind != "p":
            return self._object_relative(head, link, tense)
        if roll < 0.5:
            clause = self.frame(tense=tense, person=head.person, negatable=False, modals=False)
            while "p" not in clause.verb.subjects:
                clause = self.frame(tense=tense, person=head.person, negatable=False, modals=False)
            return Relative(clause, link, "who", de.NOMINATIVE, gender)
        if roll < 0.7:
            return self._object_relative(head, link, tense)
        if roll < 0.85:
            verb = self.pick([v for v in entries.DATIVE if not v.preposition])
            clause = self.start(verb, tense=tense, negatable=False, modals=False)
            return Relative(clause, link, "whom", de.DATIVE, gender)
        noun = self.noun("paov")
        owned = NounPhrase(self.links, noun, "", self.chance(0.2))
        clause = self.start(BE_VERB, subject=owned, negatable=False)
        self.predicate(clause, noun.kind)
        return Relative(clause, link, "whose", de.GENITIVE, gender)

    def _object_relative(self, head: NounPhrase, link: int, tense: str) -> Relative:
        kind = head.noun.kind
        verbs = [v for v in entries.ACCUSATIVE if kind in v.objects]
        verb = self._verb(verbs, {"tense": tense})
        clause = self.start(verb, tense=tense, negatable=False, modals=False)
        word = "whom" if kind == "p" else "that"
        return Relative(clause, link, word, de.ACCUSATIVE, head.gender)

    def relative_sentence(self) -> Sentence:
        if self.chance(0.45):
            return self._relative_on_subject()
        clause = self.accusative(negatable=False)
        kinds = clause.verb.objects.replace("b", "").replace("d", "")
        tense = "past" if clause.tense in ("past", "perfect") else "present"
        if kinds:
            head = self.noun_phrase(self.pick(kinds), plain=True)
            head.relative = self.relative_clause(head, tense)
            while head.relative.clause.verb is clause.verb:
                head.relative = self.relative_clause(head, tense)
            clause.accusative = head
        if clause.tense != "perfect" and self.chance(0.25) and clause.verb.base not in STATES:
            clause.front = self.time(clause.tense)
        return clause.english(), clause.german(), "."

    def _relative_on_subject(self) -> Sentence:
        tense = self.pick(("present", "past"))
        head = self.noun_phrase("ppptochv", plain=True, is_object=False)
        head.relative = self.relative_clause(head, tense)
        if head.noun.kind != "p":
            clause = self.start(BE_VERB, subject=head, tense=tense)
            self.predicate(clause, head.noun.kind)
            return clause.english(), clause.german(), "."
        clause = self.frame(subject=head, tense=tense, negatable=False)
        while "p" not in clause.verb.subjects or clause.verb is head.relative.clause.verb:
            clause = self.frame(subject=head, tense=tense, negatable=False)
        return clause.english(), clause.german(), "."

    def infinitive_sentence(self) -> Sentence:
        """ "tries to open the door"; "goes home to sleep"."""
        purpose = self.chance(0.35)
        if purpose:
            matrix = self.motion(negatable=False)
        else:
            matrix = self.start(self.pick(entries.TRYING))
        person = matrix.person
        inner = self.frame(tense="present", person=person, modals=False, negatable=False)
        while "p" not in inner.verb.subjects or inner.verb.base in INVOLUNTARY:
            inner = self.frame(tense="present", person=person, modals=False, negatable=False)
        matrix.afterwards = Infinitive(inner, self.links.take(), purpose)
        if matrix.tense != "perfect" and self.chance(0.3):
            matrix.front = self.time(matrix.tense)
        return matrix.english(), matrix.german(), "."
