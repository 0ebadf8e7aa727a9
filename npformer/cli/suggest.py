"""Which option somebody meant who wrote one that does not exist. Only options that do are named."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def suggest(given: str, options: Sequence[str]) -> str:
    """``"; did you mean '--optim.learning-rate'?"`` for ``--optim.lr``; empty if nothing is near.

    Names are compared within the group that was given, then in all: the same name in another group,
    the initials of a name, its beginning, a word in common, and a near spelling.
    """
    given = given.lower().replace("_", "-")
    group, own = _group(given), _name(given)
    fellows = [option for option in options if group and _group(option) == group]
    for candidates in (fellows, options):
        for alike in (_same, _initials, _beginning, _shared):
            if found := [option for option in candidates if alike(own, _name(option))]:
                return _asked(found)
        if close := difflib.get_close_matches(own, map(_name, candidates), n=1, cutoff=0.65):
            return _asked([o for o in candidates if _name(o) == close[0]])
    if fellows:
        return f"; those of {group} are {', '.join(fellows)}"
    return ""


def _asked(found: Sequence[str], most: int = 3) -> str:
    return f"; did you mean {' or '.join(map(repr, found[:most]))}?"


def _group(option: str) -> str:
    """``--optim`` of ``--optim.learning-rate``; empty for ``--updates``."""
    return option.rpartition(".")[0]


def _name(option: str) -> str:
    return option.rpartition(".")[2].lstrip("-")


def _same(given: str, name: str) -> bool:
    return given == name


def _initials(given: str, name: str) -> bool:
    words = name.split("-")
    return len(words) > 1 and given == "".join(word[:1] for word in words)


def _beginning(given: str, name: str) -> bool:
    """``learning`` of ``learning-rate``."""
    return len(given) > 1 and name.startswith(given)


def _shared(given: str, name: str) -> bool:
    """A word in common: ``num-heads`` and ``heads``, ``batch-size`` and ``batch-tokens``."""
    return any(len(word) > 2 for word in {*given.split("-")} & {*name.split("-")})
