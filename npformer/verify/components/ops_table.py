"""Every op of ``npformer.ops``: its letter specs, its other arguments, its domain, its scale.

One function an op draws its cases; ``OPS`` puts them beside the op, the scale and the invariants.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer import ops
from npformer.verify.case import Case, draw_case
from npformer.verify.components import invariants
from npformer.verify.components.op_component import OpComponent
from npformer.verify.drawing.strategies import Source, draw_rng, rarely
from npformer.verify.reference import precise
from npformer.verify.units import scales


def draw_linear(source: Source, dtype: Any) -> Case:
    """With and without bias, from a single vector to rank 4."""
    spec, names = source.choice(
        (
            ("bi, oi, o -> bo", ("x", "weight", "bias")),
            ("bi, oi -> bo", ("x", "weight")),
            ("bti, oi, o -> bto", ("x", "weight", "bias")),
            ("i, oi, o -> o", ("x", "weight", "bias")),
            ("abti, oi -> abto", ("x", "weight")),
        )
    )
    return draw_case(source, spec, names, dtype)


def draw_embedding(source: Source, dtype: Any) -> Case:
    """Ids repeat; one of them may be padding."""

    def static(sizes: dict[str, int]) -> dict[str, Any]:
        shape = tuple(sizes[a] for a in words)
        padding = source.integer(0, sizes["v"] - 1) if source.choice((False, True)) else None
        return {"ids": draw_rng(source).integers(0, sizes["v"], shape), "padding_idx": padding}

    words = source.choice(("t", "bt", "abt"))
    return draw_case(source, f"vd -> {words}d", ("weight",), dtype, static=static, least={"v": 1})


def draw_softmax(source: Source, dtype: Any) -> Case:
    """Any rank and any axis, counted from either end."""
    letters = source.choice(("btd", "bd", "d", "abtd"))
    axis = source.integer(-len(letters), len(letters) - 1)
    return draw_case(
        source, f"{letters} -> {letters}", ("x",), dtype, static=lambda sizes: {"axis": axis}
    )


def draw_attention(source: Source, dtype: Any) -> Case:
    """T != S, values of another size than keys; masks of every rank, some rows hidden whole."""

    def static(sizes: dict[str, int]) -> dict[str, Any]:
        shape = source.choice((None, "b11s", "bnts", "ts", "11", "b1ts"))
        mask = None
        if shape is not None:
            full = {**sizes, "1": 1}
            mask = draw_rng(source).random([full[a] for a in shape]) < source.choice((0.7, 0.3, 0))
        causal = source.choice((False, True))
        return {"mask": mask, "causal": causal, "scale": source.choice((None, 0.3, -1.5))}

    return draw_case(
        source,
        "btnh, bsnh, bsnv -> btnv",
        ("q", "k", "v"),
        dtype,
        static=static,
        least={"h": 1, "s": 1},
    )


def draw_layer_norm(source: Source, dtype: Any) -> Case:
    """D = 1 and constant rows have no variance: there eps is all that stands under the root."""
    letters = source.choice(("btd", "bd", "d", "abtd"))
    eps = source.choice((1e-5, 1e-6, 1e-3))
    return draw_case(
        source,
        f"{letters}, d, d -> {letters}",
        ("x", "weight", "bias"),
        dtype,
        static=lambda sizes: {"eps": eps},
        least={"d": 1},
    )


def draw_elementwise(source: Source, dtype: Any) -> Case:
    """Magnitudes spread over the range in which an activation bends, as well as far outside."""
    letters = source.choice(("btd", "bd", "d", "abtd"))
    case = draw_case(source, f"{letters} -> {letters}", ("x",), dtype)
    if rarely(source, 3):
        spread = draw_rng(source).uniform(-12, 12, case.dy.shape).astype(dtype)
        return case.with_inputs({"x": spread})
    return case


def draw_gelu(source: Source, dtype: Any) -> Case:
    """Both formulas; x = -12 is far in the tail."""
    case = draw_elementwise(source, dtype)
    return Case(case.inputs, {"approximate": source.choice(("none", "tanh"))}, case.dy)


def draw_dropout(source: Source, dtype: Any) -> Case:
    """p from 0 up, and inference."""
    case = draw_elementwise(source, dtype)
    seed = None if rarely(source) else source.integer(0, 2**32 - 1)
    return Case(case.inputs, {"p": source.choice((0.5, 0.1, 0.9, 0.0)), "rng": seed}, case.dy)


def draw_cross_entropy(source: Source, dtype: Any) -> Case:
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


OPS = (
    OpComponent(
        "linear",
        draw_linear,
        (ops.linear_forward, ops.linear_backward),
        scales.linear,
        invariants=(invariants.linear,),
    ),
    OpComponent(
        "embedding",
        draw_embedding,
        (ops.embedding_forward, ops.embedding_backward),
        scales.embedding,
        invariants=(invariants.embedding,),
        frozen=lambda case: {"weight": case.static["padding_idx"]},
    ),
    OpComponent(
        "softmax",
        draw_softmax,
        (ops.softmax_forward, ops.softmax_backward),
        scales.softmax,
        invariants=(invariants.softmax,),
    ),
    OpComponent(
        "log_softmax",
        draw_softmax,
        (ops.log_softmax_forward, ops.log_softmax_backward),
        scales.log_softmax,
        invariants=(invariants.log_softmax,),
    ),
    OpComponent(
        "attention",
        draw_attention,
        (ops.attention_forward, ops.attention_backward),
        scales.attention,
        invariants=(invariants.attention, invariants.attention_permutation),
    ),
    OpComponent(
        "layer_norm",
        draw_layer_norm,
        (ops.layer_norm_forward, ops.layer_norm_backward),
        scales.layer_norm,
        invariants=(invariants.layer_norm,),
    ),
    OpComponent(
        "relu",
        draw_elementwise,
        (ops.relu_forward, ops.relu_backward),
        scales.relu,
        invariants=(invariants.relu,),
        kink=0.0,
    ),
    OpComponent(
        "gelu",
        draw_gelu,
        (ops.gelu_forward, ops.gelu_backward),
        scales.gelu,
        invariants=(invariants.odd_part,),
        precise_function=precise.gelu,
        extended_pair=(precise.gelu_forward, precise.gelu_backward),
    ),
    OpComponent(
        "silu",
        draw_elementwise,
        (ops.silu_forward, ops.silu_backward),
        scales.silu,
        invariants=(invariants.odd_part,),
        precise_function=precise.silu,
    ),
    OpComponent(
        "dropout",
        draw_dropout,
        (ops.dropout_forward, ops.dropout_backward),
        scales.dropout,
        invariants=(invariants.dropout,),
    ),
    OpComponent(
        "cross_entropy",
        draw_cross_entropy,
        (ops.cross_entropy_forward, ops.cross_entropy_backward),
        scales.cross_entropy,
        invariants=(invariants.cross_entropy,),
        precise_function=precise.cross_entropy,
    ),
)
