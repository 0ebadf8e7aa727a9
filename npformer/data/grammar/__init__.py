"""A synchronous English-German grammar, written for this project.

One random derivation is written out twice, so that every sentence comes with its translation and
with the alignment of their words. The files, in the order in which a sentence grows:

    lexicon/           nouns, verbs, adjectives, adverbs: tables of plain words
    forms_*.py         inflection of each language
    entries.py         the lexicon as objects, with every form
    leaves.py          words with links, from which text and alignment are read off
    phrases.py         noun and prepositional phrases
    clauses.py         the clause, with its English and its German word order
    numbers.py dates.py
    draw_*.py          what a random derivation chooses
    generate.py        splits and distinct pairs
    size.py            how many pairs there are at least

A translation is a function of the English sentence. "You" is one person, du; the past and the
present perfect both become the German perfect (but was and had are war and hatte); occupations
are masculine, except queen and nurse.
"""

from __future__ import annotations

from npformer.data.grammar.generate import Split, generate, split_of
from npformer.data.grammar.leaves import Pair, words
from npformer.data.grammar.size import size

__all__ = ["Pair", "Split", "generate", "size", "split_of", "words"]
