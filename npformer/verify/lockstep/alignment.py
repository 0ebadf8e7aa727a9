"""One run's calls and arguments laid over another's."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.verify.lockstep.visits import Array, Key, Trace, Visit, real


def counterpart(suspect: Trace, own: Trace, key: Key, number: int) -> Visit | None:
    """The suspect's visit of a key that answers to the reference's call ``number`` of it."""
    found = suspect.by_key.get(key, [])
    extra = max(0, len(found) - len(own.by_key.get(key, [])))
    index = number + extra
    return found[index] if index < len(found) else None


def aligned(own: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """The suspect's arguments by the reference's names; those of other names in their order.

    A function, such as a residual's sub-layer, is called as the reference's own, and an argument
    that the suspect does not have is the reference's own, too.
    """
    renamed = zip(
        [name for name in own if name not in theirs],
        [value for name, value in theirs.items() if name not in own],
        strict=False,
    )
    found = theirs | dict(renamed)
    return {
        name: value if callable(value) else found.get(name, value) for name, value in own.items()
    }


def call(original: Any, own: dict[str, Any], given: dict[str, Any], args: Any, kwargs: Any) -> Any:
    """``original`` as it was called, but with other values for its arguments."""
    names = list(own)
    positional = [given[name] for name in names[: len(args)]]
    rest = {name: given[name] for name in names[len(args) :] if name in kwargs}
    extra = {name: kwargs[name] for name in kwargs if name not in rest}
    return original(*positional, **rest, **extra)


def add_share(shares: dict[str, Array], path: str, gradient: Any) -> None:
    """Sum the shares that one call gives to one parameter."""
    shares[path] = shares[path] + gradient if path in shares else np.array(gradient)


def copied(arguments: dict[str, Any], kept: set[int]) -> dict[str, Any]:
    """Arguments with every array copied, but for those of ``kept``, by id."""
    return {
        name: value.copy() if isinstance(value, np.ndarray) and id(value) not in kept else value
        for name, value in arguments.items()
    }


def wide(value: Any) -> Any:
    """A floating-point array in float64; anything else as it is."""
    return value.astype(np.float64) if real(value) else value


def one_of(own: Any, theirs: Any) -> Any:
    """``wide(theirs)``, or ``own`` where it holds the same: a weight need not be there twice."""
    if real(own) and real(theirs) and own.shape == theirs.shape and own.dtype == np.float64:
        return own if (own == theirs).all() else wide(theirs)
    return wide(theirs)
