"""The language of letter specs: what goes into a function, in a line.

    "btd, d, d"               an array for each word, an axis for each letter
    "bt64, o i [3] [3]"       a number is an axis of that size; brackets keep two numbers apart
    "td, vd, t:int<v"         integers from 0 to v - 1: targets, ids
    "ts, ts:bool"             booleans: a mask
    "td, b:offsets(t)"        b + 1 integers that rise from 0 to t: where packed sequences begin
    "t:int32<v"               of 32 bits, where kernels take those; b:offsets32(t) too
    "bnd, bgd; n = 2 g"       after a semicolon, what the sizes obey
    "bd; d even; b <= d + 1"  even, odd, =, !=, <, <=, > or >= a sum of products
    "."                       a scalar
    "(nd, md), d"             a list of two arrays, then an array; (nd)*3 is a list of three
    "(nd)*1-4"                a list of one to four, another number in each case

Blanks between axes mean nothing. ``-> btd`` after the arrays may say what comes out, for a reader.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from npformer.errors import VerifyError

GRAMMAR = (
    "write one letter an axis, such as 'btd, d, d', a number for an axis of fixed size ('o i [3] "
    "[3]'), '.' for a scalar, '(nd, md)' or '(nd)*1-4' for a list, 't:int<v', 't:bool' or "
    "'b:offsets(t)' for integers and booleans ('t:int32<v' and 'b:offsets32(t)' in 32 bits), and "
    "after a semicolon what sizes obey: 'bnd, bgd; n = 2 g; d even'"
)
AXIS = re.compile(r"\s*(?:([A-Za-z])|([1-9]\d*)|\[\s*([1-9]\d*)\s*\])")
KIND = re.compile(
    r"(bool)|(int)(8|16|32|64)?(?:\s*<(.+))?|offsets(16|32|64)?\s*\(\s*([A-Za-z])\s*\)"
)
LIST = re.compile(r"\((.*)\)\s*(?:\*\s*(\d\d?)(?:\s*-\s*(\d\d?))?)?")
RELATION = re.compile(r"([A-Za-z])\s*(?:(even|odd)|(=|!=|<=|<|>=|>)(.+))")
COMPARED: dict[str, Callable[[int, int], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge,
}  # fmt: skip
INTEGERS = 10
"""Below this are integers of which nothing is said."""

Kind = Literal["float", "int", "bool", "offsets"]


@dataclass(frozen=True)
class Sum:
    """A sum of products of numbers and letters, ``2 g + 1``."""

    terms: tuple[tuple[int, tuple[str, ...]], ...]
    """A factor and letters, each."""

    @property
    def letters(self) -> set[str]:
        return {letter for _, letters in self.terms for letter in letters}

    def value(self, sizes: Mapping[str, int]) -> int:
        """For these sizes."""
        total = 0
        for factor, letters in self.terms:
            for letter in letters:
                factor *= sizes[letter]
            total += factor
        return total

    def __str__(self) -> str:
        return " + ".join(
            " ".join([*([str(factor)] if factor != 1 or not letters else []), *letters])
            for factor, letters in self.terms
        ).replace("+ -", "- ")


@dataclass(frozen=True)
class Word:
    """One array of a spec."""

    axes: tuple[str | int, ...]
    kind: Kind = "float"
    below: Sum | None = None
    """Of integers."""
    bits: int = 64
    """Of integers."""
    of_list: int | None = None
    """Which argument it belongs to, if that is a list of arrays."""
    needs: int = 0
    """How many times the list must repeat its members for this one to be there."""
    least: int = 0
    """How many times at least it does."""
    runs: tuple[int, ...] = ()
    """Of ``axes``, numbers of two digits or more that stand without brackets."""

    @property
    def letters(self) -> list[str]:
        return [a for a in self.axes if isinstance(a, str)]

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """For these sizes of the letters."""
        shape: tuple[int, ...] = tuple(sizes[a] if isinstance(a, str) else a for a in self.axes)
        return (shape[0] + 1,) if self.kind == "offsets" else shape

    def split(self) -> Word:
        """With an axis for each digit of the numbers that stand without brackets."""
        axes: list[str | int] = []
        for i, axis in enumerate(self.axes):
            axes += map(int, str(axis)) if i in self.runs else [axis]
        return replace(self, axes=tuple(axes), runs=())

    def __str__(self) -> str:
        text = "".join(
            str(a) if isinstance(a, str) or i in self.runs else f" [{a}] "
            for i, a in enumerate(self.axes)
        )
        text = " ".join(text.split()) or "."
        bits = "" if self.bits == 64 else self.bits
        if self.kind == "offsets":
            return f"{text}:offsets{bits}({self.below})"
        text += "" if self.kind == "float" else f":{self.kind}{bits}"
        return text if self.below is None else f"{text}<{self.below}"


@dataclass(frozen=True)
class Relation:
    """What one letter's size has to do with others."""

    letter: str
    sign: str
    """``even``, ``odd`` or one of ``COMPARED``."""
    other: Sum = Sum(())

    @property
    def letters(self) -> set[str]:
        return {self.letter} | self.other.letters

    def holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether it does for these sizes; so long as one of the letters has none, yes."""
        if not self.letters <= set(sizes):
            return True
        size = sizes[self.letter]
        if self.sign in ("even", "odd"):
            return size % 2 == (self.sign == "odd")
        return COMPARED[self.sign](size, self.other.value(sizes))


def parsed(spec: str) -> tuple[list[Word], list[Relation]]:
    """The arrays and the relations; raises ``VerifyError`` with the grammar where one is wrong."""
    arrays, *relations = spec.split(";")
    try:
        words = _words(arrays.partition("->")[0])
        rules = [_relation(part.strip()) for part in relations]
    except _Odd as odd:
        what = "a relation" if odd.relation else "a shape"
        told = f"the letter spec {spec!r} has {odd.part!r} for {what}; {GRAMMAR}"
        raise VerifyError(told) from None
    known = {letter for word in words for letter in word.letters}
    for word in words:
        unknown = (word.below.letters if word.below else set()) - known
        if unknown:
            raise VerifyError(
                f"the letter spec {spec!r} has integers below {min(unknown)}, which is no axis"
            )
    return words, rules


def _words(text: str) -> list[Word]:
    words = []
    for argument, part in enumerate(_outside(text)):
        listed = LIST.fullmatch(part.strip())
        if listed is None:
            words.append(_word(part))
            continue
        members = [_word(member) for member in listed[1].split(",")]
        least = int(listed[2] or 1)
        most = int(listed[3] or least)
        if not 1 <= most >= least:
            raise _Odd(part.strip())
        words += [
            replace(member, of_list=argument, needs=number + 1, least=least)
            for number in range(most)
            for member in members
        ]
    return words


def _outside(text: str) -> list[str]:
    """The parts between commas that stand in no parentheses."""
    parts, depth = [""], 0
    for letter in text:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


class _Odd(Exception):
    def __init__(self, part: str, relation: bool = False) -> None:
        self.part, self.relation = part, relation


def _word(text: str) -> Word:
    part = text.strip()
    shape, colon, kind = part.partition(":")
    axes: list[str | int] = []
    runs = []
    at, shape = 0, shape.strip()
    while shape != "." and at < len(shape):
        found = AXIS.match(shape, at)
        if found is None:
            raise _Odd(part)
        if found[2] and int(found[2]) > 9:
            runs.append(len(axes))
        axes.append(found[1] or int(found[2] or found[3]))
        at = found.end()
    if not shape:
        raise _Odd(part)
    word = Word(tuple(axes), runs=tuple(runs) if "0" not in shape else ())
    if not colon:
        return word
    said = KIND.fullmatch(kind.strip())
    if said is None or (said[6] and len(axes) != 1):
        raise _Odd(part)
    if said[1]:
        return replace(word, kind="bool")
    word = replace(word, bits=int(said[3] or said[5] or 64))
    if said[6]:
        return replace(word, kind="offsets", below=Sum(((1, (said[6],)),)))
    return replace(word, kind="int", below=_sum(said[4], part) if said[4] else None)


def _relation(part: str) -> Relation:
    found = RELATION.fullmatch(part)
    if found is None:
        raise _Odd(part, relation=True)
    if found[2]:
        return Relation(found[1], found[2])
    return Relation(found[1], found[3], _sum(found[4], part, relation=True))


def _sum(text: str, part: str, relation: bool = False) -> Sum:
    """``2 g + 1``, ``g h``, ``-t``."""
    if not re.fullmatch(r"[-+]?[\w\s*]+([-+][\w\s*]+)*", text.strip()):
        raise _Odd(part, relation)
    terms = []
    for sign, product in re.findall(r"([-+]?)([^-+]+)", text):
        factors = re.findall(r"\d+|[A-Za-z]", product)
        if not factors or re.search(r"[^\dA-Za-z\s*]", product):
            raise _Odd(part, relation)
        number = -1 if sign == "-" else 1
        for factor in factors:
            number *= int(factor) if factor.isdigit() else 1
        terms.append((number, tuple(f for f in factors if f.isalpha())))
    return Sum(tuple(terms))
