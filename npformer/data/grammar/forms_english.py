"""English inflection: plurals, verb forms, comparison, a or an.

Person is numbered as in German: 0 I, 1 you (one person), 2 he/she/it, 3 we, 4 they.
"""

from __future__ import annotations

from npformer.data.grammar.lexicon.adjectives import IRREGULAR_ENGLISH, PERIPHRASTIC

BE = ("am", "are", "is", "are", "are")
WAS = ("was", "were", "was", "were", "were")
VOWELS = "aeiou"


def add_s(word: str) -> str:
    """The -s of plurals and of the third person: cups, boxes, parties, watches, goes."""
    if word.endswith(("s", "x", "z", "ch", "sh", "o")):
        return word + ("s" if word in ("piano", "photo", "radio") else "es")
    if word.endswith("y") and word[-2] not in VOWELS:
        return word[:-1] + "ies"
    return word + "s"


def add_ed(word: str) -> str:
    if word.endswith("e"):
        return word + "d"
    if word.endswith("y") and word[-2] not in VOWELS:
        return word[:-1] + "ied"
    if word == "plan":
        return "planned"
    return word + "ed"


def comparison(word: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Comparative and superlative: (older,), (oldest,) or (more, tired), (most, tired)."""
    if word in IRREGULAR_ENGLISH:
        better, best = IRREGULAR_ENGLISH[word]
        return (better,), (best,)
    if word in PERIPHRASTIC:
        return ("more", word), ("most", word)
    stem = word
    if word.endswith("y"):
        stem = word[:-1] + "i"
    elif word.endswith("e"):
        stem = word[:-1]
    elif word[-1] in "tdg" and word[-2] in VOWELS and word[-3] not in VOWELS:
        stem = word + word[-1]  # big, hot, sad, red
    return (stem + "er",), (stem + "est",)


def a_or_an(following: str) -> str:
    return "an" if following[0] in VOWELS or following == "honest" else "a"
