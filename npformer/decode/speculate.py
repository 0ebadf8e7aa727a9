r"""A small model drafts, a large one decides: its own distribution, in fewer of its steps.

A step of a large model on k + 1 tokens takes hardly longer than on one, for both read all weights
once. So a draft proposes k tokens, each drawn from its own distribution q, and the target scores
all of them in one step, with distributions p. In their order, a proposal x is

    kept                    with probability min(1, p_x / q_x)
    else replaced           by a draw from max(0, p - q), what q has too little of, scaled to a sum
                            of one

and what follows a replaced one is dropped. If all are kept, one more is drawn from p, which is
known already. Token v is what comes out with probability

    q_v min(1, p_v / q_v) + (1 - sum_u min(q_u, p_u)) max(0, p_v - q_v) / sum_u max(0, p_u - q_u)

and as both sums over u are the same number, that is min(q_v, p_v) + max(0, p_v - q_v) = p_v,
whatever q is (Leviathan et al., 2023, arXiv:2211.17192; Chen et al., 2023, arXiv:2302.01318). The
draft changes how long it takes and nothing else.

Chapter     walkthroughs/22_decoder_only.md
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from npformer.decode.generate import LanguageModel
from npformer.decode.sample import check_sampling, draw, token_weights
from npformer.errors import ConfigError, ShapeError
from npformer.ops.array import Array
from npformer.seam import quiet

MOST_AHEAD = 15
"""Most tokens that are drafted at once: a window's cache can take back this many, and one."""

Choose = Callable[[Array], int]
"""weights (V,), of a sum above 0 -> an id, drawn in proportion to them."""


class ScoringModel(LanguageModel, Protocol):
    """A model whose states can go back; a decoder alone and its twin both answer.

    A state has ``length``, the ids that it was given, and ``rewind(length)``.
    """

    def score(self, ids: Array, state: Any) -> Array:
        """ids (R, T) -> logits (R, T, V) of what follows each, an array the caller may change."""


class Speculated(NamedTuple):
    """What was written, and how good the draft was."""

    rows: list[list[int]]
    """A list of ids a sample, as ``generate`` gives."""
    proposed: int
    """Tokens that the draft proposed."""
    kept: int
    """How many of them were kept."""


@quiet()
def speculate(
    model: ScoringModel,
    draft: ScoringModel,
    prompt: Sequence[int],
    *,
    bos: int | None,
    eos: int | Collection[int],
    rng: np.random.Generator,
    ahead: int = 4,
    samples: int = 1,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    banned: Sequence[int] = (),
    max_length: int | None = None,
) -> Speculated:
    """What follows ``prompt``, distributed as ``generate`` of ``model`` alone has it.

    ``draft``, of the same ids, proposes ``ahead`` tokens at once. Temperature and cuts hold for
    both. At temperature 0 it is the greedy text of ``model``, up to logits that differ by rounding,
    as several tokens in one step round otherwise than one by one. Samples are written one after the
    other, from a generator each. The other arguments are those of ``generate``.

    Raises ``ConfigError`` for a setting out of range, a draft of another vocabulary or layers that
    keep a state, ``ShapeError`` for a prompt that leaves no room, ``NonFiniteError`` for logits
    that are not finite.
    """
    check_sampling(temperature, top_k, top_p)
    for name, value in (("samples", samples), ("max_length", max_length)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} is {value}; it must be 1 or more")
    if not 1 <= ahead <= MOST_AHEAD:
        raise ConfigError(f"ahead is {ahead}; it must be from 1 to {MOST_AHEAD}")
    for name, one in (("model", model), ("draft", draft)):
        if getattr(one.config, "any_state", False):
            pattern = one.config.delta_pattern
            raise ConfigError(
                f"the {name} has layers that keep a state ({pattern}), from which no refused token "
                "can be taken back; write without a draft"
            )
    begin, ends = [] if bos is None else [bos], {eos} if isinstance(eos, int) else set(eos)
    begun = [*begin, *prompt]
    if not begun:
        raise ShapeError("the prompt has no token, and there is none that begins a text")
    room = model.config.max_length - len(begun) + 1  # the last token is never read
    if room < 1:
        raise ShapeError(
            f"the prompt has {len(begun)} tokens, what begins a text among them; the model takes "
            f"{model.config.max_length} at most: shorten the prompt"
        )
    most = room if max_length is None else min(room, max_length)

    def distribution(logits: Array) -> Array:
        """logits (R, V), which are changed, -> what a token is drawn from, rows that sum to 1."""
        logits[:, [*begin, *banned]] = -np.inf
        if temperature == 0:
            return np.eye(logits.shape[1])[logits.argmax(axis=1)]
        weights = token_weights(logits, temperature, top_k, top_p)
        return weights / weights.sum(axis=1, keepdims=True)

    rows, proposed, kept = [], 0, 0
    for each in rng.spawn(samples):
        text = _Text(model, draft, begun, distribution, _chooser(each))
        while len(text.written) < most and not ends & set(text.written):
            text.extend(min(ahead, most - len(text.written) - 1))
        stop = next((i for i, token in enumerate(text.written) if token in ends), most)
        rows.append(text.written[:stop])
        proposed, kept = proposed + text.proposed, kept + text.kept
    return Speculated(rows, proposed, kept)


def _chooser(rng: np.random.Generator) -> Choose:
    return lambda weights: int(draw(weights[None], rng.random(1))[0])


class _Text:
    """One text, and what both models have read of it."""

    def __init__(
        self,
        model: ScoringModel,
        draft: ScoringModel,
        begun: Sequence[int],
        distribution: Callable[[Array], Array],
        choose: Choose,
    ) -> None:
        self.model, self.draft = model, draft
        self.distribution, self.choose = distribution, choose
        self.ids, self.begun = list(begun), len(begun)
        self.of_model, self.of_draft = model.start(), draft.start()
        if self.begun > 1:
            model.step(np.array([self.ids[:-1]]), self.of_model)
        self.proposed = self.kept = 0

    @property
    def written(self) -> list[int]:
        """What came after the beginning."""
        return self.ids[self.begun :]

    def extend(self, ahead: int) -> None:
        """At least one token more, and ``ahead`` more than that at most."""
        proposals, q = self._proposals(ahead)
        new = np.array([[self.ids[-1], *proposals]])
        p = self.distribution(self.model.score(new, self.of_model)[0])  # (k + 1, V)
        kept, token = accept(p, q, proposals, self.choose)
        self.ids += [*proposals[:kept], token]
        self.proposed, self.kept = self.proposed + len(proposals), self.kept + kept
        for state in (self.of_model, self.of_draft):
            state.rewind(min(state.length, len(self.ids) - 1))  # the newest is not read yet

    def _proposals(self, ahead: int) -> tuple[list[int], list[Array]]:
        """Up to ``ahead`` tokens of the draft's, as far as its positions go, and what drew each."""
        tokens: list[int] = []
        q: list[Array] = []
        for _ in range(min(ahead, self.draft.config.max_length - len(self.ids) + 1)):
            new = [*self.ids, *tokens][self.of_draft.length :]
            q.append(self.distribution(self.draft.step(np.array([new]), self.of_draft))[0])
            tokens.append(self.choose(q[-1]))
        return tokens, q


def accept(
    p: Array, q: Sequence[Array], proposals: Sequence[int], choose: Choose
) -> tuple[int, int]:
    """p (k + 1, V) of the target, q of the draft (k of (V,)), proposals (k) drawn from q.

    -> how many of them are kept, and the token after these. Raises ``ConfigError`` for a draft of
    another vocabulary.
    """
    for i, (token, of_draft) in enumerate(zip(proposals, q, strict=True)):
        if of_draft.shape != p[i].shape:
            raise ConfigError(
                f"the draft knows {len(of_draft):,} tokens and the model {len(p[i]):,}; both must "
                "have the same vocabulary"
            )
        keep = min(1.0, p[i, token] / of_draft[token])
        if choose(np.array([keep, 1 - keep])) == 1:
            missing = np.maximum(p[i] - of_draft, 0)
            # Nothing is missing where p is q but for rounding; then a draw from p is as good.
            return i, choose(missing if missing.any() else p[i])
    return len(proposals), choose(p[-1])
