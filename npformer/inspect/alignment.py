"""How far attention follows a known word alignment.

Chapter     walkthroughs/13_looking_inside.md
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from npformer.ops.array import Array
from npformer.text.tokenizer import SPECIAL_NAMES

Links = list[tuple[int, int]]

_BYTE = re.compile("‹[0-9A-F]{2}›")
_SPACES = "▁⏎⇥"


def token_alignment(
    words: Iterable[tuple[int, int]], source_tokens: Sequence[str], target_tokens: Sequence[str]
) -> Links:
    """Links between words -> links between the tokens that spell them, all pairs of each link.

    ``words`` holds (source, target) indices of words: runs of letters and digits, and every
    other visible sign alone, as in ``npformer.data.grammar``. The tokens are named as
    ``Tokenizer.tokens`` names them. Special tokens belong to no word.
    """
    source, target = _tokens_of_words(source_tokens), _tokens_of_words(target_tokens)
    return sorted({(i, j) for s, t in words for i in source.get(s, ()) for j in target.get(t, ())})


def alignment_share(probs: Array, links: Iterable[tuple[int, int]]) -> Array:
    """probs (N, T, S), links (key, query) -> (N,): each head's mean attention on linked keys.

    The mean is over the queries that have a link; without any it is NaN.
    """
    gold = np.zeros(probs.shape[1:], dtype=bool)  # (T, S)
    for key, query in links:
        gold[query, key] = True
    linked = gold.any(axis=1)
    if not linked.any():
        return np.full(len(probs), np.nan)
    return (probs * gold).sum(axis=2)[:, linked].mean(axis=1)


def _tokens_of_words(tokens: Sequence[str]) -> dict[int, list[int]]:
    """Word number -> positions of the tokens that spell it or a part of it."""
    positions: dict[int, list[int]] = {}
    word, inside = -1, False
    for position, token in enumerate(tokens):
        if token in SPECIAL_NAMES:
            continue
        for sign in _BYTE.sub("x", token):  # a byte shown alone is part of a letter
            letter = sign.isalnum() or sign == "_"
            if sign not in _SPACES:
                word += not (letter and inside)
                found = positions.setdefault(word, [])
                if position not in found:
                    found.append(position)
            inside = letter
    return positions
