"""Where the tokens of a case are: from the first position or a later one, or each by itself."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from npformer.cards.case import Array
from npformer.cards.strategies import Source, draw_rng, draw_sizes

Drawn = tuple[dict[str, int], dict[str, Any]]

MOST = 12
"""Positions that there are in a case; tables end at this."""


def draw_at(source: Source, b: int, t: int) -> int | Array:
    """The first of ``t`` positions; or those of packed or padded tokens, (T,) or (B, T)."""
    kind = source.choice(("number", "row", "rows"))
    if kind == "number":
        return source.integer(0, 3)
    shape = (t,) if kind == "row" else (b, t)
    return draw_rng(source).integers(0, MOST, shape)


def added(*layouts: str) -> Callable[[Source], Drawn]:
    """What the cards of positions that are added to x (B, T, D) draw."""

    def draw(source: Source) -> Drawn:
        z = draw_sizes(source, "BTD", {"D": 1})
        layout = (source.choice(layouts),) if layouts else ()
        at = draw_at(source, z["B"], z["T"])
        return z, {"build": (MOST + z["T"], z["D"], *layout), "at": at}

    return draw


def in_one_piece(static: Mapping[str, Any]) -> bool:
    """Whether the tokens are at the first positions, one after the other."""
    at = static["at"]
    return isinstance(at, int) and at == 0


def draw_queries(source: Source) -> Drawn:
    """T queries and S keys; the gradient comes once, or for each of B sentences."""
    z = draw_sizes(source, "BNTS", {"N": 1})
    at = source.integer(0, 6) if source.choice((False, True)) else None
    return z, {"t": z["T"], "s": z["S"], "at": at, "sentences": z["B"]}


def call_bias(module: Any, inputs: list[Any], keywords: dict[str, Any]) -> Any:
    """The bias, broadcast over so many sentences as attention does it."""
    keywords = dict(keywords)
    sentences = keywords.pop("sentences")
    y, cache = module.bias(**keywords)
    y = np.broadcast_to(y, (sentences, *y.shape[1:]))
    return y, functools.partial(module.bias_backward, cache=cache)


def call_twin_bias(module: Any, inputs: list[Any], keywords: dict[str, Any]) -> Any:
    """The same of the twin."""
    keywords = dict(keywords)
    sentences = keywords.pop("sentences")
    return module.bias(**keywords).expand(sentences, -1, -1, -1)
