"""Which experts a token goes to, and where its rows stand among those sorted by expert.

Everything here is a choice, a function with integers for values: it has no gradient, and the loss
reaches the router through the weights of what was chosen alone (``expert_weights.py``).

Chapter     walkthroughs/25_choosing_experts.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.errors import ConfigError, ShapeError
from npformer.ops.array import Array
from npformer.ops.checks import check_ids


def choose_experts(
    affinity: Array, k: int, *, bias: Array | None = None, groups: int = 1, kept: int | None = None
) -> Array:
    """affinity (..., E) -> the k experts of the largest, the largest first, (..., k).

    Of equal ones the first is taken. ``bias`` (E,) is added for the choice and for nothing else
    (Wang et al., 2024, arXiv:2408.15664). With ``groups``, of as many experts side by side, a token
    chooses among those of its ``kept`` best groups; a group is as good as the sum of its best two
    (DeepSeek-V3, arXiv:2412.19437, section 2.1.2).

    Raises ConfigError unless that many can be chosen.
    """
    experts = affinity.shape[-1]
    check_choice_of(experts, k, groups, kept)
    if bias is not None:
        affinity = affinity + bias
    if kept is not None and kept < groups:
        grouped = affinity.reshape(*affinity.shape[:-1], groups, experts // groups)
        best = np.sort(grouped, axis=-1)[..., -2:].sum(axis=-1)  # (..., groups)
        inside = np.zeros(best.shape, bool)
        np.put_along_axis(inside, _largest(best, kept), True, -1)
        affinity = np.where(inside[..., None], grouped, -np.inf).reshape(affinity.shape)
    return _largest(affinity, k)


def check_choice_of(experts: int, k: int, groups: int = 1, kept: int | None = None) -> None:
    """Raises ConfigError unless k of so many experts can be chosen, from ``kept`` of the groups."""
    if not 1 <= k <= experts:
        raise ConfigError(f"{k} of {experts} experts; choose 1 to {experts}")
    if groups < 1 or experts % groups:
        raise ConfigError(f"{groups} groups of {experts} experts; give a number that divides it")
    if kept is not None and not 1 <= kept <= groups:
        raise ConfigError(f"{kept} of {groups} groups; keep 1 to {groups}")
    if kept is not None and k > kept * (experts // groups):
        raise ConfigError(
            f"{k} experts of {kept} groups, which have {kept * (experts // groups)}; keep more "
            "groups, or choose fewer experts"
        )


def within_capacity(chosen: Array, experts: int, capacity: int) -> Array:
    """chosen (R, k) -> which choices find room, (R, k): an expert takes ``capacity`` tokens.

    All tokens' first choices go before any second one, and of those the tokens in their order
    (Lepikhin et al., 2020, arXiv:2006.16668). Raises ConfigError for a capacity below 1.
    """
    if capacity < 1:
        raise ConfigError(f"capacity is {capacity}; it must be 1 or more")
    in_order = chosen.T.reshape(-1)  # first choices, second choices, ...
    order = np.argsort(in_order, kind="stable")
    sizes = np.bincount(in_order, minlength=experts)
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return (rank < capacity).reshape(chosen.T.shape).T


def within_text_capacity(chosen: Array, texts: Array, experts: int, factor: float) -> Array:
    """chosen (R, k), texts (R,) -> which choices find room, (R, k), in the order of the tokens.

    Of a text of n tokens an expert takes ``factor`` times an even share, n k / E rounded up. All
    choices of a token go before those of the next one, so that no later token takes an earlier
    one's place, and no text another's. A token of no text, -1, takes no room and is not dropped.
    Raises ConfigError for a factor that is not above 0.
    """
    if not factor > 0:
        raise ConfigError(f"factor is {factor}; it must be > 0")
    k = chosen.shape[1]
    text = np.unique(texts, return_inverse=True)[1].reshape(-1)
    room = np.ceil(factor * np.bincount(text) * k / experts)  # of each text
    kind = (text[:, None] * experts + chosen).reshape(-1)
    order = np.argsort(kind, kind="stable")
    sizes = np.bincount(kind)
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    fits = rank.reshape(chosen.shape) < room[text][:, None]
    return fits | (texts < 0)[:, None]


def chosen_by_experts(affinity: Array, count: int) -> Array:
    """affinity (..., T, E) -> (..., T, E), True where a token is among an expert's ``count`` best.

    Expert choice (Zhou et al., 2022, arXiv:2202.09368): every expert has as many tokens, and a
    token any number. Whether it is chosen depends on all tokens of its text, later ones too, so a
    decoder that has to write from left to right cannot be trained so. Raises ConfigError unless
    there are so many tokens.
    """
    tokens = affinity.shape[-2]
    if not 1 <= count <= tokens:
        raise ConfigError(f"{count} of {tokens} tokens for an expert; choose 1 to {tokens}")
    best = _largest(affinity.swapaxes(-1, -2), count)  # (..., E, count)
    found = np.zeros(affinity.shape, bool)
    np.put_along_axis(found.swapaxes(-1, -2), best, True, -1)
    return found


def hash_table(tokens: int, experts: int, k: int, rng: np.random.Generator) -> Array:
    """A table (tokens, k) of k different experts for each token id, drawn once and then fixed.

    Hash routing (Roller et al., 2021, arXiv:2106.04426): the choice ``table[ids]`` depends on no
    score. Raises ConfigError unless so many can be chosen.
    """
    check_choice_of(experts, k)
    return np.argsort(rng.random((tokens, experts)), axis=1)[:, :k]


class Places(NamedTuple):
    """Where the rows of a dispatch stand."""

    slots: Array  # (R, k): the row, of P sorted by expert, of each choice; -1 of a dropped one
    sizes: Array  # (E,): how many rows each expert has, P in all


def sorted_by_expert(chosen: Array, experts: int, kept: Array | None = None) -> Places:
    """chosen (R, k) -> where each choice stands when they are sorted by expert.

    ``kept`` (R, k) are those that are not dropped; all unless given. An expert's rows are in the
    order of the tokens. Raises ShapeError and IndexError for what are no experts.
    """
    check_ids(chosen, experts, "expert")
    if kept is not None and kept.shape != chosen.shape:
        raise ShapeError(f"kept {kept.shape} does not fit chosen {chosen.shape}")
    expert = chosen.reshape(-1) if kept is None else np.where(kept, chosen, experts).reshape(-1)
    sizes = np.bincount(expert, minlength=experts + 1)
    slots = np.empty(expert.shape, np.intp)
    slots[np.argsort(expert, kind="stable")] = np.arange(len(expert))
    slots[expert == experts] = -1
    return Places(slots.reshape(chosen.shape), sizes[:experts])


def balanced_bias(bias: Array, load: Array, rate: float) -> Array:
    """The bias of the choice after a step in which expert e had ``load`` (E,) tokens.

    It rises by ``rate`` where an expert had fewer than the mean and falls where it had more: a
    controller, and no gradient of a loss (Wang et al., 2024).
    """
    return bias + (rate * np.sign(load.mean() - load)).astype(bias.dtype)


def _largest(x: Array, k: int) -> Array:
    """The indices of the k largest along the last axis, the largest first, of equals the first."""
    return np.argsort(-x, axis=-1, kind="stable")[..., :k]
