"""Sizes of axes: small ones that differ, and now and then one at the edge of a kernel's block.

A kernel that works in blocks of 16 or 64 is right for every size below, and for every multiple; its
mistakes begin one past a block, or in the last, partial one.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence

from npformer.cards.sources import SimpleSource, Source, rarely

SIZES = (2, 3, 4, 5, 6, 7)
EDGES = (65, 8, 16, 129, 64, 33, 1025, 128, 17, 32, 15, 127, 63, 1024, 31)
"""What tells most first: beyond 64 and in part a block, a multiple of 8, of 16 and so on."""
EVERY = 3
"""One case in so many has an axis at an edge, if the source wants such cases."""
MOST = 8192
"""Entries of all arrays of a case with such an axis, at most: the others are made smaller."""

Sizes = dict[str, int]


def draw_sizes(
    source: Source,
    letters: str,
    least: Mapping[str, int] | None = None,
    *,
    given: Mapping[str, Sequence[int]] | None = None,
    follows: Mapping[str, Callable[[Sizes], int]] | None = None,
    fits: Callable[[Sizes], bool] | None = None,
    entries: Callable[[Sizes], int] = lambda sizes: 0,
) -> Sizes:
    """A size for each letter: distinct, except that one letter may get its least size instead.

    Args:
        source: of choices; one with ``edges`` now and then gets a letter at one of ``EDGES``.
        letters: of all axes.
        least: the smallest size a letter may have where that is not 0.
        given: what a letter's size is chosen from, where that is said.
        follows: how a letter's size follows from those of others, or of letters before it here.
        fits: whether the sizes of some letters go together.
        entries: how many numbers a case of these sizes has.

    Raises:
        ValueError: no sizes go together.
    """
    rules = _Rules(
        dict(given or {}), dict(follows or {}), dict(least or {}), fits or (lambda sizes: True)
    )
    every = dict.fromkeys((*rules.given, *letters))
    order = [*(letter for letter in every if letter not in rules.follows), *rules.follows]
    if isinstance(source, SimpleSource) and not (given or follows or fits):
        return source.sizes(letters, rules.least)
    if isinstance(source, SimpleSource):
        return rules.completed(source, order, {}, (1, 2, 3))
    free = [a for a in order if a not in rules.given and a not in rules.follows]
    wanted = source.edges and bool(free)
    if wanted and source.spread("edge", range(EVERY)) == EVERY - 1:
        size, letter = source.spread("edges", [(size, a) for size in EDGES for a in free])
        with contextlib.suppress(ValueError):  # not every letter may be as large
            sizes = rules.completed(source, order, {letter: size}, (2, 3, 4))
            return rules.cut(sizes, letter, entries)
    sizes = rules.completed(source, order, {}, SIZES)
    if free and rarely(source):
        letter = source.choice(free)
        other = max(source.choice((1, 0)), rules.least.get(letter, 0))
        return rules.changed(sizes, {letter: other}) or sizes
    return sizes


class _Rules:
    """What sizes have to obey."""

    def __init__(
        self,
        given: dict[str, Sequence[int]],
        follows: dict[str, Callable[[Sizes], int]],
        least: dict[str, int],
        fits: Callable[[Sizes], bool],
    ) -> None:
        self.given, self.follows, self.least, self.fits = given, follows, least, fits

    def completed(
        self, source: Source, order: list[str], fixed: Sizes, usual: Sequence[int]
    ) -> Sizes:
        """A size for every letter, ``usual`` ones for those that are neither fixed nor given.

        Raises ``ValueError`` where a relation leaves a letter no size.
        """
        sizes: Sizes = {}
        left = list(usual)
        for letter in order:
            pool: Sequence[int] = left or usual
            if isinstance(source, SimpleSource):
                pool = sorted({max(size, self.least.get(letter, 0)) for size in usual})
            if letter in fixed:
                pool = [fixed[letter]]
            if letter in self.given:
                pool = self.given[letter]
            if letter in self.follows:
                pool = [self.follows[letter](sizes)]
            fitting = self._fitting(sizes, letter, pool)
            if not fitting and letter not in self.given and letter not in self.follows:
                fitting = self._fitting(sizes, letter, usual)
                fitting = fitting or self._fitting(sizes, letter, range(1, 65))[:4]
            if not fitting:
                raise ValueError(f"no size of {letter} goes with {_listed(sizes)}")
            sizes[letter] = source.choice(fitting)
            if sizes[letter] in left:
                left.remove(sizes[letter])
        return sizes

    def _fitting(self, sizes: Sizes, letter: str, pool: Sequence[int]) -> list[int]:
        return [n for n in pool if n >= 0 and self.fits({**sizes, letter: n})]

    def changed(self, sizes: Sizes, changes: Sizes) -> Sizes | None:
        """With some letters' sizes changed, and those that follow; None if that does not go."""
        new = {a: n for a, n in {**sizes, **changes}.items() if a not in self.follows}
        for letter in sizes:
            if letter in self.follows:
                new[letter] = self.follows[letter](new)
        return new if all(n >= 0 for n in new.values()) and self.fits(new) else None

    def cut(self, sizes: Sizes, edge: str, entries: Callable[[Sizes], int]) -> Sizes:
        """Smaller ones, at last of the letter at an edge, until the entries are few enough."""
        while entries(sizes) > MOST:
            others = [
                a for a in sizes if a != edge and a not in self.given and a not in self.follows
            ]
            others = sorted(others, key=lambda letter: -sizes[letter])
            smaller = [{a: sizes[a] - 1} for a in others if sizes[a] > max(1, self.least.get(a, 0))]
            smaller += [{edge: n} for n in sorted(EDGES, reverse=True) if n < sizes[edge]]
            found = next((new for c in smaller if (new := self.changed(sizes, c))), None)
            if found is None:
                break
            sizes = found
        return sizes


def _listed(sizes: Sizes) -> str:
    return ", ".join(f"{letter} = {size}" for letter, size in sizes.items()) or "the relations"
