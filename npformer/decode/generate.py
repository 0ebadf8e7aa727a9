"""Going on with a text, token by token, by a model that reads no source.

Chapter     walkthroughs/22_decoder_only.md
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

import numpy as np

from npformer.decode.rollout import check_finite
from npformer.decode.sample import check_sampling, draw, token_weights
from npformer.errors import ConfigError, ShapeError
from npformer.ops.array import Array
from npformer.seam import quiet


class LanguageModel(Protocol):
    """What ``generate`` asks of a model; a decoder alone and its twin both answer."""

    config: Any
    """Has ``max_length``, the most positions that the model accepts."""

    def start(self) -> Any:
        """The state before the first token."""

    def step(self, ids: Array, state: Any) -> Array:
        """ids (R, T), or (R,), -> logits (R, V) of what follows, an array the caller may change."""


@quiet()
def generate(
    model: LanguageModel,
    prompt: Sequence[int],
    *,
    bos: int | None,
    eos: int | Collection[int],
    rng: np.random.Generator,
    samples: int = 1,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    banned: Sequence[int] = (),
    max_length: int | None = None,
) -> list[list[int]]:
    """What follows ``prompt``: ``samples`` lists of ids, without prompt and EOS.

    BOS is put before the prompt unless it is None, where the prompt has what begins a text.
    ``eos`` may be several ids, each of which ends one.

    The prompt is read in one step, each token after it in a step of its own. ``temperature``,
    ``top_k`` and ``top_p`` are those of ``sample``; ``temperature`` 0 takes the most probable
    token, of equal ones the smaller id. BOS and ``banned`` ids are never chosen. A continuation
    ends at EOS, after ``max_length`` tokens, EOS counted, or where the model takes no more. Every
    step draws one number for every sample, ended or not, so that what one gets does not depend on
    the others.

    Raises ``ConfigError`` for a setting out of range, ``ShapeError`` for a prompt that leaves no
    room, ``NonFiniteError`` for logits that are not finite.
    """
    check_sampling(temperature, top_k, top_p)
    for name, value in (("samples", samples), ("max_length", max_length)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} is {value}; it must be 1 or more")
    begin, ends = [] if bos is None else [bos], [eos] if isinstance(eos, int) else list(eos)
    begun = np.array([[*begin, *prompt]] * samples, np.int64)  # (R, T)
    if begun.shape[1] == 0:
        raise ShapeError("the prompt has no token, and there is none that begins a text")
    room = model.config.max_length - begun.shape[1] + 1  # the last token is never read
    if room < 1:
        raise ShapeError(
            f"the prompt has {begun.shape[1]} tokens, what begins a text among them; the model "
            f"takes {model.config.max_length} at most: shorten the prompt"
        )
    state, newest, rows = model.start(), begun, np.arange(samples)
    found: list[list[int]] = [[] for _ in rows]
    for _ in range(room if max_length is None else min(room, max_length)):
        logits = model.step(newest, state)  # (R, V)
        logits[:, [*begin, *banned]] = -np.inf
        if temperature == 0:
            newest = logits.argmax(axis=1)
            check_finite(np.take_along_axis(logits, newest[:, None], axis=1))
        else:
            weights = token_weights(logits, temperature, top_k, top_p)
            newest = draw(weights, rng.random(samples)[rows])
        live = np.flatnonzero(~np.isin(newest, ends))
        if len(live) < len(rows):
            state.select(live)
            rows, newest = rows[live], newest[live]
        if len(rows) == 0:
            break
        for row, token in zip(rows, newest.tolist(), strict=True):
            found[row].append(token)
    return found
