"""The card of the cross-entropy loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import ONES, OUTPUT, only, option
from npformer.cards.pytorch import ops, torch
from npformer.cards.scales import FloatInfo, Scales, softmax_errors, walk
from npformer.cards.steps import CLOSE, close, largest, wide
from npformer.cards.strategies import Source, draw_rng, rarely
from npformer.ops import cross_entropy
from npformer.ops.array import rows
from npformer.ops.cross_entropy import cross_entropy_backward, cross_entropy_forward

card = OpCard.of(cross_entropy)
card.edge("all targets ignored", {"logits": [[1.0, 2], [3, 4]]}, targets=np.array([-100, -100]))
card.edge("one class", {"logits": [[1.0], [3]]}, targets=np.array([0, 0]), label_smoothing=0.1)
card.edge("far apart", {"logits": [[1e30, -1e30], [0, 1e30]]}, targets=np.array([1, 1]))
card.edge("a class ruled out", {"logits": [[-np.inf, 1.0, 2]]}, targets=np.array([1]))
card.edge(
    "an ignored row of infinities",
    {"logits": [[np.inf, 1.0], [1.0, 2.0]]},
    targets=np.array([-100, 1]),
    label_smoothing=0.1,
)
for label_smoothing in (0.0, 0.1):
    card.edge(
        f"every target of weight 0, smoothing {label_smoothing}",
        {"logits": [[1.0, 2, -1], [3, 4, 0]]},
        targets=np.array([1, 1]),
        weight=np.array([1.0, 0, 1]),
        label_smoothing=label_smoothing,
    )
card.edge(
    "a class of weight 0 ruled out",
    {"logits": [[1.0, -np.inf, -1], [3, -np.inf, 0]]},
    targets=np.array([1, 2]),
    weight=np.array([1.0, 0, 1]),
    label_smoothing=0.1,
)


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Smoothing, ignored rows (sometimes all), class weights, the three reductions."""
    reduction = source.choice(("mean", "sum", "none"))
    rows = source.choice(("b", "bt", ""))

    def static(sizes: dict[str, int]) -> dict[str, Any]:
        vocab = sizes["v"]
        rng = draw_rng(source)
        targets = rng.integers(0, vocab, [sizes[a] for a in rows])
        ignore_index = source.choice((-100, 0, None))
        if ignore_index is not None:
            share = source.choice((0.3, 0.0, 1.0))
            targets = np.where(rng.random(targets.shape) < share, ignore_index, targets)
        weighted = source.choice((False, True))
        return {
            "targets": targets,
            "label_smoothing": source.choice((0.0, 0.1, 0.5)),
            "ignore_index": ignore_index,
            "weight": rng.uniform(0.2, 2.0, vocab).astype(dtype) if weighted else None,
            "reduction": reduction,
        }

    output = rows if reduction == "none" and rows else "."
    case = draw_case(
        source, f"{rows}v -> {output}", ("logits",), dtype, static=static, least={"v": 1}
    )
    # Logits of a trained model lie far apart: probabilities of 1e-30 are usual there.
    far = rarely(source, 3) and np.abs(case.inputs["logits"]).max(initial=0) < 10
    return case.with_inputs({"logits": case.inputs["logits"] * 20}) if far else case


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    static = {"targets": rng.integers(0, 6, (b, 3)), "weight": rng.random(6)}
    return (
        {"logits": rng.standard_normal((b, 3, 6))},
        {**static, "label_smoothing": 0.1, "ignore_index": 2},
    )


@card.scale
def scale(
    logits: Array,
    *,
    targets: Array,
    label_smoothing: float,
    ignore_index: int | None,
    weight: Array | None,
    reduction: str,
    dy: Array,
    fp: FloatInfo,
) -> Scales:
    """loss = sum_c q_c w_c (-log p_c), with q the smoothed target; then log-softmax's scale."""
    vocab = logits.shape[-1]
    p, c, log_total = softmax_errors(logits, 0.0)
    shifted = np.abs(logits - logits.max(-1, keepdims=True, initial=-np.inf))
    nll = shifted + log_total + (p * c).sum(-1, keepdims=True)
    w = np.ones(vocab) if weight is None else np.abs(weight).astype(np.float64)
    valid = np.ones(targets.shape, bool) if ignore_index is None else targets != ignore_index
    index = np.where(valid, targets, 0)
    q = np.full(logits.shape, label_smoothing / max(vocab, 1))
    hit = np.take_along_axis(q, index[..., None], -1) + 1 - label_smoothing
    np.put_along_axis(q, index[..., None], hit, -1)
    qw = q * w * valid[..., None]  # (..., V)
    losses = np.where(qw > 0, qw * nll, 0.0).sum(-1)  # a class ruled out, with -inf, costs nothing
    grown = walk(losses.size)
    each = qw + qw.sum(-1, keepdims=True) * p * c  # of dlogits, before reduction
    dy = np.abs(np.asarray(dy))
    if reduction == "none":
        return {
            "y": losses + fp.tiny,
            "dlogits": each * dy[..., None] + fp.tiny * (1 + dy[..., None]),
        }
    count = (w[index] * valid).sum() if reduction == "mean" else 1.0
    over = 1 / count if count > 0 else 0.0
    return {
        "y": np.asarray(grown * losses.sum() * over + fp.tiny),
        "dlogits": each * dy * over + fp.tiny * (1 + dy),
    }


def _precise(logits: torch.Tensor, targets: torch.Tensor, **static: Any) -> torch.Tensor:
    """PyTorch's loss, but for the edges at which that is 0 / 0 or 0 times inf (see the op)."""
    ignored = torch.zeros_like(targets, dtype=torch.bool)
    if static["ignore_index"] is not None:
        ignored = targets == static["ignore_index"]
    logits = torch.where(ignored[..., None], 0, logits)
    if (weight := static["weight"]) is not None:
        logits = torch.where((weight == 0) & (logits == -torch.inf), -800, logits)  # exp is 0 too
        ignored = ignored | (weight[torch.where(ignored, 0, targets)] == 0)
    if static["reduction"] == "mean" and bool(ignored.all()):
        return (logits * 0).sum()
    return ops.cross_entropy(logits, targets, **static)


card.precise = _precise


@card.invariant("dlogits sums to 0", broken_by="target-not-subtracted")
def _shift(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Adding a constant to a row of logits changes nothing."""
    dlogits = result["dlogits"].astype(np.float64)
    yield Finding(dlogits.sum(-1), 0.0, scales["dlogits"].sum(-1))


@card.invariant("an ignored row has no gradient", broken_by="ignored-rows-trained")
def _no_share(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if case.static["ignore_index"] is not None:
        ignored = np.asarray(case.static["targets"] == case.static["ignore_index"])
        yield Finding(result["dlogits"].astype(np.float64)[ignored], 0.0, 0.0)


@card.steps
def _step(visit: Any, result: str) -> str:
    a = dict(visit.arguments)
    a["logits"] = wide(a["logits"])
    y, cache = cross_entropy_forward(**a)
    divisor = getattr(visit.cache, "divisor", None)
    if divisor is not None and not close(np.asarray(divisor), np.asarray(cache.divisor)):
        return "the mean's divisor"
    if result == "y":
        return "the sum of the losses"
    back = visit.back
    assert back is not None
    expected = cross_entropy_backward(wide(back.dy), cache)
    own = back.gradients[0]
    assert own is not None
    if close(own, np.asarray(expected / cache.divisor)) or close(own, expected * cache.divisor):
        return "the mean's divisor"
    wrong = np.abs(own - expected).reshape(len(cache.valid), -1).max(-1) > CLOSE * largest(expected)
    if wrong.any() and not wrong[cache.valid].any():
        return "the rows that are ignored"
    return "p less the target"


def _equal(case):
    """Whether every sentence has as many targets that count, of the same weight."""
    ignored = case.static["targets"] == case.static["ignore_index"]
    return not np.any(ignored) and case.static["weight"] is None


def _divided_by(count, y, cache):
    """The mean with another divisor."""
    dtype = cache.exps.dtype
    return np.asarray(y * (cache.divisor / count), dtype), cache._replace(divisor=dtype.type(count))


@card.wrong_forward("mean-over-all-tokens", "the mean counts ignored tokens too")
def _all_tokens(logits, targets, **static):
    y, cache = cross_entropy_forward(logits, targets, **static)
    if static["reduction"] != "mean" or static["weight"] is not None:
        return y, cache
    return _divided_by(max(targets.size, 1), y, cache)


@card.wrong_forward("mean-of-rows-under-weights", "the mean divides by the rows, not the weights")
def _rows(logits, targets, **static):
    y, cache = cross_entropy_forward(logits, targets, **static)
    if static["reduction"] != "mean":
        return y, cache
    return _divided_by(max(int(cache.valid.sum()), 1), y, cache)


@card.wrong_forward(
    "mean-of-means",
    "the mean is of the sentences' means, not of the tokens",
    seen="huggingface/transformers#24725",
    smallest="logits (2, 1, 2), targets (2, 1), weight (2,)",
    missed_by=only("sentences of equal length", _equal),
)
def _mean_of_means(logits, targets, **static):
    y, cache = cross_entropy_forward(logits, targets, **static)
    if static.get("reduction", "mean") != "mean" or targets.ndim < 2 or not targets.size:
        return y, cache
    losses, _ = cross_entropy_forward(logits, targets, **{**static, "reduction": "none"})
    weight = static.get("weight")
    w = np.ones(1, logits.dtype) if weight is None else weight
    w_t = np.where(cache.valid, np.broadcast_to(w, logits.shape[-1])[cache.targets], 0)
    counts = w_t.reshape(targets.shape).sum(-1, keepdims=True)  # (..., 1)
    divisor = np.where(counts > 0, counts, 1) * max(int((counts > 0).sum()), 1)
    y = np.asarray((losses / divisor).sum(), logits.dtype)
    every: Any = np.broadcast_to(divisor, targets.shape).reshape(-1)  # one for each row
    return y, cache._replace(divisor=every.astype(logits.dtype))


@card.wrong_backward("single-precision", "the gradient is computed silently in float32")
def _float32(dloss, cache):
    narrow = {
        name: value.astype(np.float32)
        for name, value in cache._asdict().items()
        if isinstance(value, np.ndarray) and value.dtype.kind == "f"
    }
    wrong = cross_entropy_backward(np.asarray(dloss, np.float32), cache._replace(**narrow))
    return wrong.astype(cache.exps.dtype)


@card.wrong_backward("divided-twice", "the gradient is divided by the token count twice")
def _twice(dloss, cache):
    return cross_entropy_backward(dloss, cache) / cache.divisor


@card.wrong_backward("not-divided", "the mean's gradient is the sum's")
def _undivided(dloss, cache):
    return cross_entropy_backward(dloss, cache._replace(divisor=1))


@card.wrong_backward("upstream-ignored", "the upstream gradient is taken for 1")
def _upstream(dloss, cache):
    return cross_entropy_backward(np.ones_like(dloss), cache)


@card.wrong_backward("ignored-rows-trained", "ignored rows get a gradient")
def _ignored(dloss, cache):
    return cross_entropy_backward(dloss, cache._replace(valid=np.ones_like(cache.valid)))


@card.wrong_backward("target-not-subtracted", "the gradient is p, without the target taken off")
def _no_target(dloss, cache):
    wrong = cross_entropy_backward(dloss, cache)
    d = np.where(cache.valid, _upstream_rows(dloss, cache), 0)
    flat = rows(wrong).copy()
    flat[np.arange(len(flat)), cache.targets] += d * cache.a
    return flat.reshape(cache.shape)


@card.wrong_backward("sign", "the gradient is target - p")
def _sign(dloss, cache):
    return -cross_entropy_backward(dloss, cache)


@card.wrong_backward("smoothing-forgotten", "label smoothing is left out of the backward")
def _unsmoothed(dloss, cache):
    return cross_entropy_backward(dloss, cache._replace(s=cache.s * 0, s_sum=cache.s_sum * 0))


@card.wrong_backward("smoothing-weights-uniform", "smoothing ignores the class weights")
def _uniform(dloss, cache):
    even = np.full_like(cache.s, cache.s.mean())
    return cross_entropy_backward(dloss, cache._replace(s=even))


@card.wrong_forward("smoothing-over-the-others", "smoothing spreads over the V - 1 other classes")
def _others(logits, targets, *, label_smoothing, **static):
    classes = logits.shape[-1]
    # Over the others alone: the target keeps 1 - e, which is e' = e V / (V - 1) of the usual kind.
    spread = label_smoothing * classes / (classes - 1) if classes > 1 else label_smoothing
    return cross_entropy_forward(logits, targets, label_smoothing=spread, **static)


@card.wrong_forward(
    "smoothing-counts-ignored",
    "the smoothing's mean counts ignored rows",
    seen="pytorch/pytorch#73205",
    smallest="logits (2,), targets ()",
    missed_by=option("no label smoothing", label_smoothing=0.0),
)
def _counts(logits, targets, *, label_smoothing, **static):
    y, cache = cross_entropy_forward(logits, targets, label_smoothing=label_smoothing, **static)
    if not label_smoothing or static["reduction"] == "none":
        return y, cache
    z = rows(logits)
    z = z - z.max(-1, keepdims=True, initial=-np.inf)
    extra = (np.log(np.exp(z).sum(-1)) - z.mean(-1))[~cache.valid].sum() * label_smoothing
    return np.asarray(y + extra / cache.divisor, logits.dtype), cache


@card.wrong_forward("clipped", "the log is of probabilities clipped at 1e-9")
def _clipped(logits, targets, *, label_smoothing, **static):
    y, cache = cross_entropy_forward(logits, targets, label_smoothing=label_smoothing, **static)
    if label_smoothing:
        return y, cache
    p = cache.exps[np.arange(len(cache.targets)), cache.targets] / cache.total
    losses = np.where(cache.valid, -np.log(np.maximum(p, 1e-9)) * cache.a, 0)
    clipped = losses.reshape(y.shape) if static["reduction"] == "none" else losses.sum()
    return np.asarray(clipped / cache.divisor, logits.dtype), cache


@card.wrong_forward("no-max", "the maximum is not subtracted, and exp overflows")
def _no_max(logits, targets, **static):
    y, cache = cross_entropy_forward(logits, targets, **static)
    exps = np.exp(rows(logits))
    total = exps.sum(-1)
    lost = np.log(total) - np.log(cache.total) - rows(logits).max(-1, initial=-np.inf)
    if static["reduction"] == "none":
        y = (y + np.where(cache.valid, lost, 0).reshape(y.shape)).astype(logits.dtype)
    return y, cache._replace(exps=exps, total=total)


def _upstream_rows(dloss, cache):
    d = np.broadcast_to(np.asarray(dloss).reshape(-1), cache.targets.shape)
    return d / cache.divisor


@card.wrong_backward(
    "first-upstream-for-all",
    "every row's gradient is multiplied by the first row's dloss",
    seen="linkedin/Liger-Kernel#1298",
    smallest="logits (2, 2), targets (2,)",
    missed_by=ONES,
)
def _first_upstream(dloss, cache):
    first = np.asarray(dloss).reshape(-1)[:1]
    return cross_entropy_backward(np.broadcast_to(first, np.size(dloss)), cache)


@card.wrong_backward(
    "detached",
    "the loss is made outside the graph: the logits get no gradient",
    seen="SKaiNET-developers/SKaiNET#862",
    smallest="logits (2,), targets ()",
    missed_by=OUTPUT,
)
def _detached(dloss, cache):
    return np.zeros_like(cross_entropy_backward(dloss, cache))


@card.wrong_backward(
    "smoothing-over-a-shard",
    "a vocabulary in two shards is smoothed over the classes of a shard, not over all",
    seen="NVIDIA/Megatron-LM#737",
    smallest="logits (2,), targets ()",
    missed_by=option("no label smoothing", label_smoothing=0.0),
)
def _shard(dloss, cache):
    classes = cache.shape[-1]
    shard = np.full(classes, classes - classes // 2)
    shard[: classes // 2] = max(classes // 2, 1)
    more = cache.s * (classes / shard - 1)  # (V,)
    d = np.where(cache.valid, _upstream_rows(dloss, cache), 0)
    wrong = rows(cross_entropy_backward(dloss, cache)) - d[:, None] * more
    return wrong.astype(cache.exps.dtype).reshape(cache.shape)
