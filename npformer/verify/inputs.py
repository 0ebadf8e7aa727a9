"""What ``check`` feeds a function: arrays from a letter spec, from strategies, or as given."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from npformer.cards.sizes import Sizes
from npformer.cards.sources import HypothesisSource, Source, draw_rng, rarely
from npformer.cards.strategies import draw_array, draw_sizes
from npformer.errors import VerifyError
from npformer.verify.spec import INTEGERS, Relation, Word, parsed
from npformer.verify.subjects.engines import is_foreign, to_numpy

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Array = np.ndarray

MAGNITUDES = (2, -4)
"""Powers of ten: an unknown function's domain may end where an operation's of ours does not."""


class InputSource:
    """Draws the arrays of one case, in the order of the arguments."""

    only_hypothesis = False
    count: int | None = None
    """How many arrays there are; None where only a draw can tell."""
    lists: tuple[int | None, ...] = ()
    """For each argument, of how many arrays it is a list, or None; empty if there is no list."""

    def sizes(self, arrays: Sequence[Any]) -> dict[str, int]:
        """By letter, in arrays that were drawn; empty where there are no letters."""
        return {}

    def draw(self, source: Source, dtype: np.dtype) -> list[Array | None]:
        """Arrays; those with a floating-point dtype get a gradient and are of ``dtype``.

        None for a member that a list has not this time.
        """
        raise NotImplementedError


class Spec(InputSource):
    """A letter spec, ``"btd, d"``; its language is in ``spec``."""

    def __init__(
        self,
        words: Sequence[Word],
        relations: Sequence[Relation] = (),
        given: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        """Raises ``VerifyError`` if ``given`` has a letter that no word has."""
        self.words, self.relations, self.given = tuple(words), tuple(relations), dict(given or {})
        self.count = len(self.words)
        self.lists = _lists(word.of_list for word in self.words)
        letters = [a for word in self.words for a in word.letters]
        letters += [a for relation in self.relations for a in sorted(relation.letters)]
        self.letters = "".join(dict.fromkeys(letters))
        self._follows = _followers(self.relations, self.given)
        self._last_of_lists = {w.of_list: w for w in self.words if w.of_list is not None}.values()
        for letter in self.given:
            if letter not in self.letters:
                raise VerifyError(
                    f"sizes has {letter!r}, which {str(self)!r} has not; it has "
                    f"{', '.join(self.letters) or 'no letters'}"
                )

    @classmethod
    def of(cls, text: str, sizes: Mapping[str, Sequence[int]] | None = None) -> Spec:
        """Of a line; raises ``VerifyError`` where that is not in the language."""
        return cls(*parsed(text), sizes)

    def __str__(self) -> str:
        words, parts = iter(self.words), []
        for number in self.lists or (None,) * len(self.words):
            members = [next(words) for _ in range(number or 1)]
            least, most = members[0].least, members[-1].needs
            varies = f"*{least}-{most}" if least < most else ""
            shown = ", ".join(str(w) for w in members if not varies or w.needs == 1)
            parts.append(shown if number is None else f"({shown}){varies}")
        return ", ".join(parts)

    def draw(self, source: Source, dtype: np.dtype) -> list[Array | None]:
        """Arrays; raises ``VerifyError`` if no sizes obey the relations."""
        try:
            # Many functions are not defined on nothing, and a spec does not say if this one is.
            sizes = draw_sizes(
                source,
                self.letters,
                dict.fromkeys(self.letters, 1),
                given=self.given,
                follows=self._follows,
                fits=self._fits if self.relations else None,
                entries=lambda sizes: sum(math.prod(w.shape(sizes)) for w in self.words),
            )
        except ValueError as error:
            raise VerifyError(f"the relations of {str(self)!r} leave nothing: {error}") from error
        exponents = [0] * len(self.words)
        if rarely(source, 4):
            exponents[source.integer(0, len(exponents) - 1)] = source.choice(MAGNITUDES)
        times = {
            word.of_list: source.integer(word.least, word.needs)
            for word in self._last_of_lists
            if word.least < word.needs
        }
        return [
            None
            if word.needs > times.get(word.of_list, word.needs)
            else draw_array(source, word.shape(sizes), dtype, exponent)
            if word.kind == "float"
            else _draw_other(source, word, sizes)
            for word, exponent in zip(self.words, exponents, strict=True)
        ]

    def _fits(self, sizes: Sizes) -> bool:
        return all(relation.holds(sizes) for relation in self.relations)

    def sizes(self, arrays: Sequence[Any]) -> dict[str, int]:
        return {
            axis: n
            for word, array in zip(self.words, arrays, strict=True)
            if array is not None
            for axis, n in zip(word.axes, np.shape(array), strict=True)
            if isinstance(axis, str) and word.kind != "offsets"
        }

    def with_word(self, index: int, word: Word) -> Spec:
        """With another in the place of one word."""
        words = (*self.words[:index], word, *self.words[index + 1 :])
        return Spec(words, self.relations, self.given)

    def split(self) -> Spec | None:
        """With an axis for each digit of numbers such as ``33``; None if there is no such."""
        words = [word.split() for word in self.words]
        same = all(old.axes == new.axes for old, new in zip(self.words, words, strict=True))
        return None if same else Spec(words, self.relations, self.given)


def _followers(
    relations: Sequence[Relation], given: Mapping[str, Any]
) -> dict[str, Callable[[Sizes], int]]:
    """The letters whose size is that of a sum of others, each after those that it needs."""
    equal = {r.letter: r.other for r in reversed(relations) if r.sign == "="}
    left = {a: other for a, other in equal.items() if a not in given}
    found: dict[str, Callable[[Sizes], int]] = {}
    while left:
        ready = [a for a, other in left.items() if not other.letters & set(left)]
        if not ready:  # a circle: what is left are conditions on sizes that are drawn
            break
        for letter in ready:
            found[letter] = left.pop(letter).value
    return found


def _draw_other(source: Source, word: Word, sizes: Sizes) -> Array:
    """Integers, booleans or offsets."""
    shape: tuple[int, ...] = word.shape(sizes)
    rng = draw_rng(source)
    if word.kind == "bool":
        kind = source.choice(("mixed", "mixed", "all", "none"))
        return rng.random(shape) < {"mixed": 0.6, "all": 1.0, "none": 0.0}[kind]
    below = INTEGERS if word.below is None else word.below.value(sizes)
    dtype = np.dtype(f"int{word.bits}")
    end = int(np.iinfo(dtype).max)
    if word.kind == "offsets":
        if below > end:
            raise VerifyError(f"{word.below} is {below}, and {dtype} ends at {end}")
        cuts = np.sort(rng.integers(0, below, shape[0] - 2, endpoint=True))
        return np.concatenate([[0], cuts, [below]]).astype(dtype)
    if below < 1:
        raise VerifyError(f"there are no integers below {word.below}, which is {below}")
    return rng.integers(0, min(below, end), shape, dtype)


def _lists(of: Iterable[int | None]) -> tuple[int | None, ...]:
    """For each argument its number of members, given the list that each array belongs to."""
    found: list[int | None] = []
    for which, group in itertools.groupby(of):
        members = len(list(group))
        found += [None] * members if which is None else [members]
    return tuple(found) if any(found) else ()


class FixedInputs(InputSource):
    """The same arrays every time."""

    def __init__(self, arrays: Sequence[Array], lists: tuple[int | None, ...] = ()) -> None:
        self.arrays, self.lists = list(arrays), lists
        self.count = len(self.arrays)

    def draw(self, source: Source, dtype: np.dtype) -> list[Array | None]:
        return [_as(dtype, array) for array in self.arrays]


class Strategies(InputSource):
    """A strategy for each array, or one for all of them; arrays may stand between them."""

    only_hypothesis = True

    def __init__(
        self,
        strategies: Sequence[Any] | SearchStrategy[Any],
        lists: tuple[int | None, ...] = (),
    ) -> None:
        self.lists = lists
        self.each = list(strategies) if isinstance(strategies, (list, tuple)) else None
        self.whole = None if self.each is not None else strategies
        self.count = None if self.each is None else len(self.each)

    def draw(self, source: Source, dtype: np.dtype) -> list[Array | None]:
        assert isinstance(source, HypothesisSource)
        if self.each is None:
            drawn = source.draw(self.whole)  # type: ignore[arg-type]
            drawn = [drawn] if _is_array(drawn) else list(drawn)
        else:
            drawn = [source.draw(s) if _is_strategy(s) else s for s in self.each]
        return [_as(dtype, array) for array in drawn]


def as_inputs(given: Any, sizes: Mapping[str, Any] | None = None) -> InputSource:
    """``inputs`` of ``check`` in one of these forms; raises ``VerifyError`` if it has none."""
    if isinstance(given, InputSource):
        return given
    if isinstance(given, str):
        return Spec.of(given, {a: _several(a, size) for a, size in (sizes or {}).items()})
    if sizes:
        raise VerifyError("sizes are those of a letter spec, which inputs is not")
    if _is_strategy(given):
        return Strategies(given)
    if isinstance(given, Mapping):
        given = list(given.values())
    if _is_array(given):
        given = [given]
    if isinstance(given, (list, tuple)) and given:
        of_list = [
            i if isinstance(a, (list, tuple)) else None
            for i, a in enumerate(given)
            for _ in (a if isinstance(a, (list, tuple)) else (a,))
        ]
        lists = _lists(of_list)
        given = [b for a in given for b in (a if isinstance(a, (list, tuple)) else (a,))]
        if any(_is_strategy(each) for each in given):
            return Strategies(given, lists)
        for array in given:
            if not _is_array(array):
                raise VerifyError(
                    f"inputs holds {type(array).__name__} where an array or a strategy belongs"
                )
        return FixedInputs([_plain(array) for array in given], lists)
    raise VerifyError(
        f"inputs is {given!r}; give a letter spec such as 'btd, d, d', a list of arrays, or "
        "Hypothesis strategies for them"
    )


def _several(letter: str, size: Any) -> Sequence[int]:
    """A size, or several to choose from."""
    found = [size] if isinstance(size, (int, np.integer)) else size
    if not isinstance(found, (Sequence, np.ndarray)) or isinstance(found, str) or not len(found):
        found = [None]
    if any(not isinstance(n, (int, np.integer)) or n < 0 for n in found):
        raise VerifyError(
            f"the size of {letter} is {size!r}; give a number, such as 65, several, (64, 65), or "
            "range(1, 129)"
        )
    return [int(n) for n in found]


def _is_strategy(value: Any) -> bool:
    return hasattr(value, "validate") and hasattr(value, "do_draw")


def _is_array(value: Any) -> bool:
    tensor = hasattr(value, "detach") and hasattr(value, "numpy")
    return isinstance(value, np.ndarray) or tensor or is_foreign(value)


def _plain(value: Any) -> Array:
    if is_foreign(value):
        return to_numpy(value)
    return value if isinstance(value, np.ndarray) else value.detach().cpu().numpy()


def _as(dtype: np.dtype, value: Any) -> Array:
    array = _plain(value) if _is_array(value) else np.asarray(value)
    if array.dtype.kind not in "fiub":
        hint = (
            "; give the numbers in float32, and dtypes='bfloat16' for a function of tensors"
            if array.dtype.name == "bfloat16"
            else ""
        )
        raise VerifyError(f"an input has the dtype {array.dtype}; it must be real{hint}")
    if array.dtype.kind == "f" and array.dtype != dtype:
        with np.errstate(all="ignore"):
            return array.astype(dtype)
    return array
