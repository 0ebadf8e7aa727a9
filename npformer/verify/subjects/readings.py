"""Other readings of a letter spec, for a function that refuses the plain one.

``o33`` is one axis of 33; a function that takes no such array, but (..., 3, 3), is given that. An
array of which a function says that it must be integers is tried as integers below each letter's
size; the right letter is the one whose size is the first number that the function refuses. Integers
of 64 bits are tried in 32 where it says that it takes those.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from npformer.cards.sources import FirstSource
from npformer.errors import VerifyError
from npformer.verify.inputs import Array, Spec
from npformer.verify.spec import Sum

INTEGERS = re.compile(r"ind(ex|ic)|\blong\b|integer|\bint(32|64)?\b", re.IGNORECASE)
NARROW = re.compile(r"int32|scalar type Int\b")
BOOLEANS = re.compile(r"bool|mask|\bbitwise|'invert'", re.IGNORECASE)

Take = Callable[[list[Array | None]], Any]
"""Raises ``VerifyError`` for arrays that the functions refuse."""


def readings(spec: Spec, said: str, take: Take, dtype: np.dtype) -> Iterator[Spec]:
    """Those that may be meant, by what the function said when it refused the plain one."""
    if (split := spec.split()) is not None:
        yield split
    if NARROW.search(said):
        whole = [word.kind in ("int", "offsets") for word in spec.words]
        words = zip(spec.words, whole, strict=True)
        narrow = [dataclasses.replace(word, bits=32) if each else word for word, each in words]
        if any(whole):
            yield Spec(narrow, spec.relations, spec.given)
    floating = [i for i, word in enumerate(spec.words) if word.kind == "float"]
    if INTEGERS.search(said):
        for i in reversed(floating):
            own = spec.words[i].letters
            for letter in sorted(spec.letters, key=lambda a: a in own):
                below = Sum(((1, (letter,)),))
                word = dataclasses.replace(spec.words[i], kind="int", below=below)
                candidate = spec.with_word(i, word)
                if _bounded(candidate, i, letter, take, dtype):
                    yield candidate
    if BOOLEANS.search(said):
        for i in reversed(floating):
            yield spec.with_word(i, dataclasses.replace(spec.words[i], kind="bool"))


def _bounded(spec: Spec, index: int, letter: str, take: Take, dtype: np.dtype) -> bool:
    """Whether the functions take the last integer below the letter's size, and not the size."""

    def taken(number: int) -> bool:
        with_number = list(arrays)
        with_number[index] = np.full_like(array, number)
        try:
            take(with_number)
        except VerifyError:
            return False
        return True

    arrays = spec.draw(FirstSource(), dtype)
    if (array := arrays[index]) is None:  # a member that a list may lack
        return False
    size = spec.sizes(arrays)[letter]
    return taken(size - 1) and not taken(size)
