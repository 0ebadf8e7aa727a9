"""The answers of ONNX's operators, by its reference evaluator and by ONNX Runtime.

Both run a graph forwards; neither has its gradient. The reference is ``python -m ... onnx``, the
runtime ``python -m ... onnxruntime``.
"""

from __future__ import annotations

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.conformance import questions as ask
from tests.conformance.answers import Answers, pairs, tried

OPSETS = (23, 24)
"""Those that have Attention and RMSNormalization."""

TYPES = {"float32": TensorProto.FLOAT, "bool": TensorProto.BOOL, "int64": TensorProto.INT64}
TYPES["float16"] = TensorProto.FLOAT16


def run(engine, op, inputs, opset=OPSETS[-1], outputs=1, **attributes):
    """One node; ``inputs`` are arrays, or None where one is left out."""
    names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
    given = {name: x for name, x in zip(names, inputs, strict=True) if x is not None}
    made = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, names, made, **attributes)
    first = next(iter(given.values())).dtype.name
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(n, TYPES[x.dtype.name], x.shape) for n, x in given.items()],
        [helper.make_tensor_value_info(name, TYPES[first], None) for name in made],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=11)
    return engine(model, given)[0]


def reference(model, given):
    from onnx.reference import ReferenceEvaluator

    with np.errstate(all="ignore"):
        return ReferenceEvaluator(model).run(None, given)


def runtime(model, given):
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, given)


def heads(numbers):
    return np.array(numbers, np.float32).reshape(1, 1, -1, 1)  # (B, N, T, H)


def attention(found, engine, whose=""):
    seen = np.array(ask.HIDDEN_SEEN)
    masks = {
        "hidden by a boolean mask": seen,
        "hidden by -inf": np.where(seen, 0, -np.inf).astype(np.float32),
        "hidden by the lowest number": np.where(seen, 0, ask.LOWEST).astype(np.float32),
    }
    inputs = [heads(x) for x in (ask.HIDDEN_Q, ask.HIDDEN_K, ask.HIDDEN_V)]
    for opset in OPSETS:
        who = f"{whose}`Attention`, opset {opset}"
        for question, mask in masks.items():
            found.add(
                question,
                who,
                lambda m=mask, o=opset: (
                    run(engine, "Attention", [*inputs, m], o)[0, 0, 0],
                    None,
                    None,
                    None,
                ),
            )

        def causal(opset=opset):
            for (t, _), numbers in ask.CAUSAL_V.items():
                v = heads(numbers)
                yield tried(
                    lambda t=t, v=v: run(
                        engine, "Attention", [heads([0] * t), 0 * v, v], opset, is_causal=1
                    )
                )
                yield None

        found.add("causal", who, causal)


def norms(found, engine):
    x = np.array(ask.GELU_X, np.float32)
    found.add("gelu", "`Gelu`", lambda: (run(engine, "Gelu", [x]), None))

    def norm(op, numbers, dtype=np.float32):
        numbers = np.array([numbers], dtype)
        weight = np.ones(2, dtype)
        return tried(lambda: run(engine, op, [numbers, weight]))

    def eps(op):
        return f"{onnx.defs.get_schema(op).attributes['epsilon'].default_value.f:g}"

    found.add(
        "layer norm",
        "`LayerNormalization`",
        lambda: (
            eps("LayerNormalization"),
            norm("LayerNormalization", ask.NORM_X),
            None,
            norm("LayerNormalization", ask.NORM_FAR),
            norm("LayerNormalization", ask.NORM_HALF, np.float16),
        ),
    )
    found.add(
        "rms norm",
        "`RMSNormalization`",
        lambda: (
            eps("RMSNormalization"),
            norm("RMSNormalization", ask.NORM_X),
            None,
            norm("RMSNormalization", ask.NORM_HALF, np.float16),
        ),
    )


def losses(found, engine):
    logits, label = np.array([ask.LOGITS], np.float32), np.array([ask.TARGET])
    op = "SoftmaxCrossEntropyLoss"
    found.add(
        "all ignored", f"`{op}`", lambda: (run(engine, op, [logits, label], ignore_index=0), None)
    )
    weight = np.array(ask.NO_WEIGHT, np.float32)
    found.add("no weight", f"`{op}`", lambda: (run(engine, op, [logits, label, weight]), None))
    if engine is reference:
        # Not of the runtime: nothing says what it reads for a class that is not there.
        def outside(label):
            return run(engine, op, [logits, np.array([label])]), None

        found.add("outside", f"`{op}`", lambda: pairs(outside, ask.OUTSIDE))


if __name__ == "__main__":
    found = Answers()
    name = sys.argv[1]
    for part in (attention, norms, losses):
        part(found, {"onnx": reference, "onnxruntime": runtime}[name])
    found.print(*dict.fromkeys(("onnx", name)))
