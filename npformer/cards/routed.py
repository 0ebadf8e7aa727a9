"""What the cards of a mixture's operations draw alike: choices of experts, and places for rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.case import Array, Case
from npformer.cards.strategies import Source, draw_rng
from npformer.ops.routing import Places, sorted_by_expert


def draw_choice(source: Source, shape: tuple[int, ...], experts: int, k: int) -> Array:
    """k different experts for each token, (*shape, k), with one expert chosen more than others."""
    order = draw_rng(source).random((*shape, experts))
    if source.choice((False, True)):
        order[..., -1] += 0.5
    return np.argsort(-order, axis=-1)[..., :k]


def draw_places(source: Source, tokens: int) -> tuple[Places, int]:
    """Where the rows of so many tokens stand, and of how many experts; some choices are dropped."""
    experts = source.choice((3, 1, 4))
    k = source.integer(1, experts)
    chosen = draw_choice(source, (tokens,), experts, k)
    kept = None
    if source.choice((False, True)):
        kept = draw_rng(source).random(chosen.shape) < 0.7
    return sorted_by_expert(chosen, experts, kept), experts


def example_places(tokens: int) -> Places:
    """Two of three experts for each token, one choice in four dropped."""
    chosen = np.resize([[2, 0], [1, 2], [0, 1], [2, 1]], (tokens, 2))
    kept = np.resize([True, True, True, False], (tokens, 2))
    return sorted_by_expert(chosen, 3, kept)


def rows_of(places: Any) -> int:
    """How many rows stand in slots."""
    return int(np.max(places, initial=-1)) + 1


def drops(case: Case) -> bool:
    """Whether a choice of a case is dropped."""
    return bool((case.static["slots"] < 0).any())


def single(case: Case) -> bool:
    """Whether each token has one expert."""
    return case.static["slots"].shape[1] == 1
