"""The card of the look-up of embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import Library, OpCard
from npformer.cards.ordinary import only, option
from npformer.cards.scales import FloatInfo, Scales
from npformer.cards.strategies import Source, draw_rng
from npformer.ops import embedding
from npformer.ops.array import rows
from npformer.ops.embedding import embedding_backward

card = OpCard.of(embedding)
card.frozen = lambda case: {"weight": case.static["padding_idx"]}
card.owner = "Embedding"
card.words = {"y": "the look-up", "dweight": "the sum over the places of a word"}
card.library = Library(
    "embedding",
    lambda input, weight, padding_idx=None, *_, **__: {
        "ids": input, "weight": weight, "padding_idx": padding_idx
    },
    lambda f, a: f(a["ids"], a["weight"], a["padding_idx"]),
)  # fmt: skip
card.edge("repeated ids", {"weight": np.arange(12.0).reshape(4, 3)}, ids=np.array([[1, 1], [1, 3]]))
card.edge("only padding", {"weight": np.ones((4, 3))}, ids=np.array([2, 2]), padding_idx=2)
card.edge(
    "a row of padding that is no number",
    {"weight": [[np.inf, -np.inf], [1.0, 2]]},
    ids=np.array([[0, 1], [1, 0]]),
    padding_idx=0,
)
card.edge("no width", {"weight": np.ones((4, 0))}, ids=np.array([2, 2]))


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Ids repeat; one of them may be padding."""

    def static(sizes: dict[str, int]) -> dict[str, Any]:
        shape = tuple(sizes[a] for a in words)
        padding = source.integer(0, sizes["v"] - 1) if source.choice((False, True)) else None
        return {"ids": draw_rng(source).integers(0, sizes["v"], shape), "padding_idx": padding}

    words = source.choice(("t", "bt", "abt"))
    return draw_case(source, f"vd -> {words}d", ("weight",), dtype, static=static, least={"v": 1})


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    return {"weight": rng.standard_normal((6, 4))}, {"ids": rng.integers(0, 6, (b, 3))}


@card.scale
def scale(weight: Array, *, ids: Array, dy: Array, fp: FloatInfo, **_: Any) -> Scales:
    """A copy is exact; the gradient is a sum over the places where an id occurs."""
    dweight = np.zeros(weight.shape)
    np.add.at(dweight, ids.reshape(-1), np.abs(rows(dy)))
    return {"y": np.abs(weight)[ids] + fp.tiny, "dweight": dweight + fp.tiny}


@card.invariant("unused and padding rows have no gradient", broken_by="padding-trained")
def _still(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    ids, padding = case.static["ids"], case.static["padding_idx"]
    dweight = result["dweight"]
    still = np.ones(len(dweight), bool)
    still[ids.reshape(-1)] = False
    if padding is not None:
        still[padding] = True
    yield Finding(dweight[still], 0.0, 0.0)


@card.invariant("dweight sums to dy", broken_by="repeats-lost")
def _shares(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    used = case.static["ids"].reshape(-1) != case.static["padding_idx"]
    dy = rows(case.dy.astype(np.float64))[used]  # (R, D)
    total = np.abs(dy).sum(0) + np.finfo(case.dy.dtype).tiny
    yield Finding(result["dweight"].astype(np.float64).sum(0), dy.sum(0), total)


def _no_repeats(case):
    return len(np.unique(case.static["ids"])) == case.static["ids"].size


def _no_zero(case):
    return case.static["padding_idx"] is None and np.all(case.static["ids"] != 0)


@card.wrong_backward(
    "repeats-lost",
    "grad[ids] += dy: of a repeated id, one occurrence counts",
    seen="tenstorrent/tt-metal#6232",
    smallest="weight (1, 1), ids (2,)",
    missed_by=only(
        "no id twice", lambda case: len(np.unique(case.static["ids"])) == case.static["ids"].size
    ),
)
def _repeats(dy, cache):
    dweight = np.zeros((cache.entries, dy.shape[-1]), dy.dtype)
    dweight[cache.ids] += dy
    if cache.padding_idx is not None:
        dweight[cache.padding_idx] = 0
    return dweight


@card.wrong_backward(
    "padding-trained",
    "the padding row gets a gradient",
    beyond_forward=True,
    seen="pytorch/pytorch#26302",
    smallest="weight (1, 1), ids (1,)",
    missed_by=option("no padding", padding_idx=None),
)
def _padding(dy, cache):
    return embedding_backward(dy, cache._replace(padding_idx=None))


@card.wrong_backward("counts-divided", "a row's gradient is averaged over its occurrences")
def _averaged(dy, cache):
    counts = np.bincount(cache.ids.reshape(-1), minlength=cache.entries)
    return (embedding_backward(dy, cache) / np.maximum(counts, 1)[:, None]).astype(dy.dtype)


@card.wrong_backward(
    "row-zero-is-padding",
    "row 0 is taken for padding whatever padding_idx says",
    seen="ibalazevic/TuckER#17",
    smallest="weight (1, 1), ids (1,)",
    missed_by=only("no id 0, and no padding", _no_zero),
)
def _row_zero(dy, cache):
    return embedding_backward(dy, cache._replace(padding_idx=0))


@card.wrong_backward("flattened-in-the-wrong-order", "ids are flattened in Fortran order, dy in C")
def _order(dy, cache):
    ids = cache.ids.reshape(-1, order="F").reshape(cache.ids.shape)
    return embedding_backward(dy, cache._replace(ids=ids))
