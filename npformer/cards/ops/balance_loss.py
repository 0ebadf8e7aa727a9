"""The card of the balance loss."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import OUTPUT, only
from npformer.cards.routed import draw_choice
from npformer.cards.scales import FloatInfo, Scales, walk
from npformer.cards.strategies import Source, draw_rng
from npformer.ops import balance_loss
from npformer.ops.balance_loss import BalanceLossCache, balance_loss_backward, balance_loss_forward

card = OpCard.of(balance_loss)
card.owner = "MixtureOfExperts"
card.words = {"y": "load times probability", "dprobs": "the load, of every token alike"}
card.edge(
    "no tokens",
    {"probs": np.zeros((0, 3))},
    chosen=np.zeros((0, 1), np.int64),
    texts=np.zeros(0, np.int64),
)
card.edge(
    "no token counts",
    {"probs": np.full((2, 2), 0.5)},
    chosen=np.array([[0], [1]]),
    texts=np.array([-1, -1]),
)
card.edge(
    "all to one",
    {"probs": [[0.9, 0.1], [0.8, 0.2]]},
    chosen=np.array([[0], [0]]),
    texts=np.array([0, 0]),
)


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """One text, several, some tokens that do not count."""

    def static(sizes: dict[str, int]) -> dict[str, Any]:
        tokens, experts = sizes["r"], sizes["e"]
        rng = draw_rng(source)
        texts = np.sort(rng.integers(0, max(1, source.choice((1, 2, tokens))), tokens))
        texts = np.where(rng.random(tokens) < source.choice((1.0, 0.7, 0.0)), texts, -1)
        chosen = draw_choice(source, (tokens,), experts, source.integer(1, min(experts, 3)))
        return {"chosen": chosen, "texts": np.minimum(texts, max(tokens - 1, 0))}

    return draw_case(
        source,
        "re -> .",
        ("probs",),
        dtype,
        static=static,
        least={"e": 1},
        limits={"probs": (-30, 4)},
    )


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    static = {
        "chosen": np.resize([[2, 0], [1, 3], [3, 0]], (b, 2)),
        "texts": np.resize([0, 0, -1], b),
    }
    return {"probs": rng.random((b, 4))}, static


_forward, _backward = map(inspect.unwrap, card.pair)


@card.scale
def scale(probs: Array, chosen: Array, texts: Array, *, dy: Array, fp: FloatInfo) -> Scales:
    """A sum of products; a count times dloss."""
    y, cache = _forward(np.abs(probs), chosen=chosen, texts=texts)
    dprobs = _backward(np.abs(np.asarray(dy)), cache)
    tiny = np.where(cache.push > 0, fp.tiny, 0)
    return {"y": walk(probs.size) * (y + fp.tiny * (1 + probs.size)), "dprobs": dprobs + tiny}


@card.invariant("where all probabilities are 1 / E, each token that counts costs 1", "not-by-k")
def _even(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Whatever is chosen."""
    probs = case.inputs["probs"]
    even = case.with_inputs({"probs": np.full_like(probs, 1 / probs.shape[-1])})
    tokens = int((case.static["texts"] >= 0).sum())
    size = np.asarray(4.0 * walk(probs.size) * max(tokens, 1))
    yield Finding(component.run(even)["y"], float(tokens), size)


@card.invariant("<dprobs, probs> = dloss loss", broken_by="load-forgotten")
def _degree(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    probs, dloss = case.inputs["probs"].astype(np.float64), float(case.dy)
    left = (result["dprobs"].astype(np.float64) * probs).sum()
    size = (scales["dprobs"] * np.abs(probs)).sum() + abs(dloss) * scales["y"]
    yield Finding(left, dloss * float(result["y"]), size + np.finfo(case.dy.dtype).tiny)


@card.invariant("what does not count has no gradient", broken_by="padding-counts")
def _left_out(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    yield Finding(result["dprobs"][case.static["texts"] < 0], 0.0, 0.0)


@card.invariant("texts add up, however a batch is cut between them", broken_by="batch-for-text")
def _adds_up(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    texts = case.static["texts"]
    total = np.zeros(())
    for first in (True, False):
        static = {
            **case.static,
            "texts": np.where((texts == texts.max(initial=-1)) == first, texts, -1),
        }
        total = total + component.run(Case(case.inputs, static, case.dy))["y"]
    yield Finding(total, result["y"].astype(np.float64), 2 * scales["y"])


def _unpadded(case: Case) -> bool:
    return bool((case.static["texts"] >= 0).all())


def _all_chosen(case: Case) -> bool:
    return case.static["chosen"].shape[-1] == case.inputs["probs"].shape[-1]


def _one_each(case: Case) -> bool:
    return case.static["chosen"].shape[-1] == 1


def _short(case: Case) -> bool:
    texts = case.static["texts"]
    return bool((np.bincount(texts[texts >= 0]) <= 1).all())


@card.wrong_forward(
    "chosen-probabilities-only",
    "the mean probability is taken over the chosen experts alone",
    seen="paiml/aprender#2162",
    smallest="probs (2, 2), chosen (2, 1), texts (2,)",
    missed_by=only("every expert chosen by every token", _all_chosen),
)
def _chosen_only(probs, chosen, texts):
    mask = np.zeros(probs.shape, bool)
    np.put_along_axis(mask, chosen, True, -1)
    return balance_loss_forward(np.where(mask, probs, 0), chosen=chosen, texts=texts)


@card.wrong_forward(
    "padding-counts",
    "tokens of padding are counted among the load and the mean",
    seen="huggingface/transformers#28505",
    smallest="probs (1, 1), chosen (1, 1), texts (1,)",
    missed_by=only("no padding", _unpadded),
)
def _padding(probs, chosen, texts):
    return balance_loss_forward(probs, chosen=chosen, texts=np.maximum(texts, 0))


@card.wrong_forward(
    "summed-apart",
    "load and probability are each summed over the experts before their product: a constant",
    seen="mindspore-ai/hyper-parallel#752",
    smallest="probs (1, 2), chosen (1, 1), texts (1,)",
    missed_by=only("one expert", lambda case: case.inputs["probs"].shape[-1] == 1),
)
def _apart(probs, chosen, texts):
    y, cache = balance_loss_forward(probs, chosen=chosen, texts=texts)
    push = np.repeat(cache.push.mean(-1, keepdims=True), probs.shape[-1], -1)
    return np.asarray((push * probs).sum(), probs.dtype), BalanceLossCache(push)


@card.wrong_forward(
    "not-by-k",
    "the load is not divided by the experts of a token",
    seen="jingyaogong/minimind#290",
    smallest="probs (1, 2), chosen (1, 2), texts (1,)",
    missed_by=only("one expert of each token", _one_each),
)
def _not_by_k(probs, chosen, texts):
    y, cache = balance_loss_forward(probs, chosen=chosen, texts=texts)
    k = chosen.shape[-1]
    return np.asarray(k * y, y.dtype), BalanceLossCache(k * cache.push)


@card.wrong_forward(
    "divided-twice",
    "the loss is divided by the tokens once more than its factor makes up for",
    seen="NVIDIA/Megatron-LM#3769",
    smallest="probs (2, 1), chosen (2, 1), texts (2,)",
    missed_by=only("texts of one token", _short),
)
def _twice(probs, chosen, texts):
    y, cache = balance_loss_forward(probs, chosen=chosen, texts=texts)
    of = np.maximum(texts, 0)
    t = np.maximum(np.bincount(texts[texts >= 0], minlength=len(probs) + 1), 1)[of]
    push = (cache.push / t[:, None]).astype(probs.dtype)
    return np.asarray((push * probs).sum(), y.dtype), BalanceLossCache(push)


@card.wrong_forward("batch-for-text", "load and mean are those of the batch as a whole")
def _batch(probs, chosen, texts):
    return balance_loss_forward(probs, chosen=chosen, texts=np.minimum(texts, 0))


@card.wrong_forward("experts-forgotten", "the factor E is left out")
def _no_factor(probs, chosen, texts):
    y, cache = balance_loss_forward(probs, chosen=chosen, texts=texts)
    e = max(probs.shape[-1], 1)
    return np.asarray(y / e, y.dtype), BalanceLossCache(cache.push / e)


@card.wrong_backward("load-forgotten", "every expert is pushed alike")
def _alike(dloss, cache):
    push = np.repeat(cache.push.mean(-1, keepdims=True), cache.push.shape[-1], -1)
    return balance_loss_backward(dloss, BalanceLossCache(push))


@card.wrong_backward(
    "mean-for-load", "each expert is pushed by what it lacks and not by what it has"
)
def _lacks(dloss, cache):
    most = cache.push.max(-1, keepdims=True, initial=0)
    return balance_loss_backward(dloss, BalanceLossCache(most - cache.push))


@card.wrong_backward(
    "never-reaches-the-router",
    "the loss is logged, and its gradient is 0",
    seen="NVIDIA-NeMo/Automodel#1408",
    smallest="probs (1, 1), chosen (1, 1), texts (1,)",
    missed_by=OUTPUT,
)
def _never(dloss, cache):
    return np.zeros_like(balance_loss_backward(dloss, cache))


@card.wrong_backward("upstream-ignored", "dloss is taken for 1: the coefficient has no effect")
def _upstream(dloss, cache):
    return balance_loss_backward(np.ones_like(dloss), cache)


@card.wrong_backward("mean-over-the-tokens", "the gradient is divided by the tokens, as of a mean")
def _mean(dloss, cache):
    return balance_loss_backward(dloss, cache) / max(len(cache.push), 1)


@card.wrong_backward("padding-pushed", "tokens that do not count are pushed as the first one is")
def _pushed(dloss, cache):
    first = cache.push[:1] if len(cache.push) else cache.push
    padding = ~cache.push.any(-1, keepdims=True)
    return balance_loss_backward(dloss, BalanceLossCache(np.where(padding, first, cache.push)))
