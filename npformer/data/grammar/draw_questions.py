"""Random questions and commands."""

from __future__ import annotations

from npformer.data.grammar import entries
from npformer.data.grammar import forms_german as de
from npformer.data.grammar.clauses import (
    Clause,
)
from npformer.data.grammar.draw_clauses import INVOLUNTARY, ClauseDraw, Sentence
from npformer.data.grammar.entries import adverb
from npformer.data.grammar.leaves import Phrase
from npformer.data.grammar.phrases import (
    Both,
    NounPhrase,
    Pronoun,
    fixed,
)

WHO = ("who", "whom", ("wer", "wen", "wem"), 2)
WHAT = ("what", "what", ("was", "was", "was"), 2)
WHEN, WHY = adverb("when = wann"), adverb("why = warum")
WHERE, WHITHER = adverb("where = wo"), adverb("where = wohin")


class QuestionDraw(ClauseDraw):
    """Draws questions, with the verb first or after a question word, and imperatives."""

    def yes_no_question(self) -> Sentence:
        roll = self._random()
        if roll < 0.25:
            clause = self.being(negatable=False)
        else:
            clause = self.frame(negatable=False)
            self.adorn(clause, fronting=False, most=1)
            self._no_attitude(clause)
        self._somebody(clause)
        return clause.english_question(), clause.german_question(), "?"

    def _somebody(self, clause: Clause) -> None:
        """No "no child" as the subject of a question."""
        if isinstance(clause.subject, NounPhrase) and clause.subject.determiner == "no":
            clause.subject.determiner = "a"

    def wh_question(self) -> Sentence:
        return self.pick((self._ask_who, self._ask_whom, self._ask_which, self._ask_when))()

    def _ask_who(self) -> Sentence:
        clause = self.frame(subject=Pronoun(self.links, WHO), negatable=False)
        self.adorn(clause, fronting=False, most=1)
        self._no_attitude(clause)
        return clause.english(), clause.german(), "?"

    def _ask_whom(self) -> Sentence:
        """The object's case shows on wen or wem, and on was."""
        verb = self.pick(entries.DATIVE if self.chance(0.3) else entries.ACCUSATIVE)
        clause = self.start(verb, negatable=False)
        wh = Pronoun(self.links, WHO if self.pick(verb.objects) == "p" else WHAT)
        case = de.DATIVE if verb in entries.DATIVE else de.ACCUSATIVE
        if case == de.DATIVE and wh.forms is WHAT:
            wh.forms = WHO
        return self._question(clause, Both(wh.english(False), wh.german(case)))

    def _ask_which(self) -> Sentence:
        """Which book, welches Buch; how many books, wie viele Bücher."""
        verb = self.pick(entries.ACCUSATIVE)
        clause = self.start(verb, negatable=False)
        noun = self.noun(verb.objects)
        many = noun.countable and self.chance(0.4)
        determiner = "how many" if many else "which"
        phrase = NounPhrase(self.links, noun, determiner, many or self._some_plural(noun))
        return self._question(clause, Both(phrase.english(), phrase.german(de.ACCUSATIVE)))

    def _some_plural(self, noun: entries.Noun) -> bool:
        return noun.countable and self.chance(0.25)

    def _ask_when(self) -> Sentence:
        clause = self.frame(negatable=False)
        moving = clause.verb in entries.MOTION
        resting = clause.verb in entries.REST and clause.complement is not None
        word = WHY if clause.tense == "perfect" else self.pick((WHEN, WHY))
        if (moving or resting) and self.chance(0.6):
            clause.complement = None
            word = WHITHER if moving else WHERE
        return self._question(clause, fixed(word, self.links))

    def _question(self, clause: Clause, wh: Both) -> Sentence:
        self._somebody(clause)
        return clause.english_question(wh.english), clause.german_question(wh.german), "?"

    def imperative(self) -> Sentence:
        clause = self.frame(tense="present", person=1, modals=False, negatable=False)
        while clause.verb.base in INVOLUNTARY or "p" not in clause.verb.subjects:
            clause = self.frame(tense="present", person=1, modals=False, negatable=False)
        phrase = clause.accusative
        no = self.links.take(2)
        english: Phrase = []
        german: Phrase = []
        if self.chance(0.25) and (phrase is None or phrase.definite):
            clause.negation = no << 1
            english = [("do", no), ("not", clause.negation)]
        elif self.chance(0.5):
            please = fixed(entries.PLEASE, self.links)
            english, german = list(please.english), please.german
        sign = "!" if not german else "."
        return english + clause.english_infinitive(), clause.german_imperative(german), sign
