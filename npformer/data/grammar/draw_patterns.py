"""Random sentences of fixed patterns: times, numbers, existence, liking, circumstances."""

from __future__ import annotations

from npformer.data.grammar import dates, entries
from npformer.data.grammar import forms_german as de
from npformer.data.grammar.clauses import (
    BE_VERB,
    Clause,
)
from npformer.data.grammar.draw_clauses import ClauseDraw, Sentence
from npformer.data.grammar.draw_phrases import NAMES
from npformer.data.grammar.leaves import Leaf, Phrase
from npformer.data.grammar.numbers import english_cardinal, german_cardinal
from npformer.data.grammar.phrases import (
    Both,
    Name,
    Nominal,
    NounPhrase,
    prepositional,
)

# English and German, plural and singular.
COST = (("cost", "kosten"), ("costs", "kostet"))
WEIGH = (("weigh", "wiegen"), ("weighs", "wiegt"))
HIGH = tuple(
    place.noun for place in entries.PLACES
    if place.noun.english[0] in "house church hospital museum hotel castle bridge mountain".split()
)  # fmt: skip
LONG = tuple(noun for noun in entries.VEHICLES if noun.english[0] in ("train", "ship", "bus"))


class PatternDraw(ClauseDraw):
    """Draws what no verb of the lexicon frames."""

    def happening(self) -> Sentence:
        """ "The concert begins at half past three."""
        verb = self.pick(entries.HAPPENING)
        subject = self.noun_phrase(verb.subjects, plain=True, is_object=False)
        clause = self.start(verb, subject=subject, modals=False)
        if clause.tense != "perfect":
            clause.time = self.time(clause.tense) if self.chance(0.5) else None
            clause.time = clause.time or dates.at_clock(self.links, self.below)
            if self.chance(0.3):
                clause.front, clause.time = clause.time, None
        return clause.english(), clause.german(), "."

    def calendar(self) -> Sentence:
        link = self.links.take(2)
        is_: Leaf = ("is", link)
        ist: Leaf = ("ist", link)
        roll = self._random()
        if roll < 0.3:
            time = dates.clock(self.links, self.below)
            it, es = ("it", link << 1), ("es", link << 1)
            return [it, is_, *time.english], [es, ist, *time.german], "."
        if roll < 0.6:
            day = dates.date(self.links, self.below, nominative=True)
            word = self.pick((("today", "heute"), ("tomorrow", "morgen")))
            return (
                [(word[0], link << 1), is_, *day.english],
                [(word[1], link << 1), ist, *day.german],
                ".",
            )
        who = self._mortal()
        day = self.pick((dates.on_date, dates.in_year))(self.links, self.below)
        born: Leaf = ("born", link << 1)
        was: Leaf = ("was", link)
        return (
            [*who.english(False), was, born, *day.english],
            [*who.german(de.NOMINATIVE), ("wurde", link), *day.german, ("geboren", link << 1)],
            ".",
        )

    def _mortal(self) -> Name | NounPhrase:
        if self.chance(0.3):
            return Name(self.links, self.pick(NAMES))
        return self.noun_phrase("p", plain=True, plural=False, is_object=False)

    def measure(self) -> Sentence:
        """Ages, prices and sizes, with the numbers' inverted units."""
        link = self.links.take(5)
        number, unit, quality = link << 1, link << 2, link << 3
        value = self._number()
        while value < 13:
            value = self._number()
        count = [(word, number) for word in english_cardinal(value).split()]
        zahl: Phrase = [(german_cardinal(value), number)]
        roll = self._random()
        if roll < 0.4:
            who = self.subject("p", pronouns=0.25)
            age = 2 + self.below(98)
            count = [(word, number) for word in english_cardinal(age).split()]
            zahl = [(german_cardinal(age), number)]
            english = [*count, ("years", unit), ("old", quality)]
            german = [*zahl, ("Jahre", unit), ("alt", quality)]
            return self._be(who, Both(english, german))
        if roll < 0.7:
            costs = self.chance(0.7)
            what = self.noun_phrase("otcvs" if costs else "av", plain=True, is_object=False)
            verb = (COST if costs else WEIGH)[what.person == 2]
            units = ("euros", "Euro") if costs else ("kilograms", "Kilogramm")
            return (
                [*what.english(False), (verb[0], link), *count, (units[0], unit)],
                [*what.german(de.NOMINATIVE), (verb[1], link), *zahl, (units[1], unit)],
                ".",
            )
        nouns, word, wort = self.pick(((HIGH, "high", "hoch"), (LONG, "long", "lang")))
        what = self.described(self.pick(nouns), plain=True, plural=False)
        return self._be(
            what,
            Both(
                [*count, ("meters", unit), (word, quality)],
                [*zahl, ("Meter", unit), (wort, quality)],
            ),
        )

    def _be(self, subject: Nominal, complement: Both) -> Sentence:
        clause = Clause(self.links.take(3), subject, subject.person, BE_VERB)
        clause.complement = complement
        return clause.english(), clause.german(), "."

    def existence(self) -> Sentence:
        """ "There is a garden behind the house", hinter dem Haus gibt es einen Garten."""
        link = self.links.take(2)
        if self.chance(0.5):
            place = self.beside(de.DATIVE)
            thing = self.noun_phrase("otca")
        else:
            building = self.described(self.pick(entries.PLACES).noun, plain=True, plural=False)
            side = self.pick((("behind", "hinter"), ("next to", "neben")))
            place = prepositional(self.links, *side, de.DATIVE, building)
            thing = self.noun_phrase("h")
        thing.determiner, thing.definite = "a" if not thing.plural else "many", False
        thing.possessor, thing.superlative = None, False
        be = "are" if thing.plural else "is"
        return (
            [("there", link << 1), (be, link), *thing.english(), *place.english],
            [*place.german, ("gibt", link), ("es", link << 1), *thing.german(de.ACCUSATIVE)],
            ".",
        )

    def liking(self) -> Sentence:
        """ "The boy likes the ring", dem Jungen gefällt der Ring: subject and object swap."""
        link = self.links.take()
        who = self.subject("p")
        while getattr(who, "determiner", "") == "no":
            who = self.subject("p")
        what = self.noun_phrase("otcvh", is_object=False)
        what = what if what.determiner != "a" else self.noun_phrase("otcvh", plain=True)
        verb = "likes" if who.person == 2 else "like"
        gefallen = "gefällt" if what.person == 2 else "gefallen"
        return (
            [*who.english(False), (verb, link), *what.english()],
            [*who.german(de.DATIVE), (gefallen, link), *what.german(de.NOMINATIVE)],
            ".",
        )

    def circumstance(self) -> Sentence:
        """With and without company; because of, despite and during, which govern the genitive."""
        clause = self.pick((self.intransitive, self.motion))(negatable=False)
        roll = self._random()
        if roll < 0.35 and clause.verb.base != "hurry":
            clause.place = prepositional(
                self.links, "with", "mit", de.DATIVE, self.noun_phrase("p", plain=True)
            )
        elif roll < 0.55:
            clause.place = prepositional(
                self.links, "without", "ohne", de.ACCUSATIVE, self.noun_phrase("p", plain=True)
            )
        else:
            english, german, nouns = self.pick(
                (("because of", "wegen", entries.WEATHER), ("despite", "trotz", entries.WEATHER),
                 ("during", "während", entries.EVENTS))
            )  # fmt: skip
            phrase = self.described(self.pick(nouns), plain=True, plural=False)
            both = prepositional(self.links, english, german, de.GENITIVE, phrase)
            if self.chance(0.5):
                clause.front = both
            else:
                clause.time = both
        return clause.english(), clause.german(), "."
