"""The kinds of sentence, and how often each is drawn."""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Callable
from itertools import accumulate

from npformer.data.grammar import entries
from npformer.data.grammar.draw_clauses import Sentence
from npformer.data.grammar.draw_embedding import EmbeddingDraw
from npformer.data.grammar.draw_patterns import PatternDraw
from npformer.data.grammar.draw_questions import QuestionDraw
from npformer.data.grammar.leaves import COMMA


class SentenceDraw(QuestionDraw, EmbeddingDraw, PatternDraw):
    """Draws whole sentences; ``sentence`` picks the kind."""

    def __init__(self, generator: random.Random) -> None:
        super().__init__(generator)
        kinds: tuple[tuple[Callable[[], Sentence], float], ...] = (
            (self.statement, 35),
            (self.predication, 7),
            (self.possession, 3),
            (self.yes_no_question, 7),
            (self.wh_question, 8),
            (self.imperative, 4),
            (self.subordination, 11),
            (self.report, 6),
            (self.relative_sentence, 8),
            (self.infinitive_sentence, 5),
            (self.coordination, 3),
            (self.happening, 3),
            (self.calendar, 4),
            (self.measure, 3),
            (self.existence, 2),
            (self.liking, 2),
            (self.circumstance, 3),
        )
        total = sum(weight for _, weight in kinds)
        self._kinds = [kind for kind, _ in kinds]
        self._bounds = [bound / total for bound in accumulate(weight for _, weight in kinds)]

    def sentence(self) -> Sentence:
        self.begin()
        return self._kinds[bisect(self._bounds, self._random())]()

    def statement(self) -> Sentence:
        clause = self.adorn(self.frame())
        return clause.english(), clause.german(), "."

    def predication(self) -> Sentence:
        clause = self.being()
        if clause.front is None and self.chance(0.15):
            clause.front = self.adverb(entries.ATTITUDE_FRONT)
        return clause.english(), clause.german(), "."

    def possession(self) -> Sentence:
        clause = self.having()
        self._bring_forward(clause)
        return clause.english(), clause.german(), "."

    def coordination(self) -> Sentence:
        """Two main clauses with and or but; the second is verb-second again."""
        link = self.links.take()
        english, german = self.pick((("and", "und"), ("but", "aber")))
        tense = self.pick(("present", "past"))
        first = self.frame(tense=tense, modals=False)
        second = self.frame(tense=tense, modals=False)
        return (
            [*first.english(), COMMA, (english, link), *second.english()],
            [*first.german(), COMMA, (german, link), *second.german()],
            ".",
        )
