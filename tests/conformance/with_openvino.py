"""OpenVINO's answers: its own operation and ONNX's, run forwards on a CPU."""

from __future__ import annotations

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from tests.conformance import questions as ask
from tests.conformance import with_onnx
from tests.conformance.answers import Answers, tried

EXACT = {"INFERENCE_PRECISION_HINT": "f32"}
"""float32 also on processors that have bfloat16."""


def run(node, *arrays):
    """``node`` makes one operation of its parameters."""
    names = {np.dtype(bool): ov.Type.boolean}
    given = [ops.parameter(x.shape, names.get(x.dtype, ov.Type(x.dtype))) for x in arrays]
    made = ov.Core().compile_model(ov.Model([node(*given)], given), "CPU", EXACT)
    return made(list(arrays))[0]


def heads(numbers):
    return np.array(numbers, np.float32).reshape(1, 1, -1, 1)  # (B, N, T, H)


def attention(found):
    seen = np.array(ask.HIDDEN_SEEN)
    masks = {
        "hidden by a boolean mask": seen,
        "hidden by -inf": np.where(seen, 0, -np.inf).astype(np.float32),
        "hidden by the lowest number": np.where(seen, 0, ask.LOWEST).astype(np.float32),
    }
    inputs = [heads(x) for x in (ask.HIDDEN_Q, ask.HIDDEN_K, ask.HIDDEN_V)]

    def hidden(mask):
        y = run(ops.scaled_dot_product_attention, *inputs, mask)
        return y[0, 0, 0], None, None, None

    def causal():
        for (t, _), numbers in ask.CAUSAL_V.items():
            v = heads(numbers)

            def attend(q, k, v):
                return ops.scaled_dot_product_attention(q, k, v, causal=True)

            yield tried(lambda t=t, v=v, attend=attend: run(attend, heads([0] * t), 0 * v, v))
            yield None

    who = "`opset13.scaled_dot_product_attention`"
    for question, mask in masks.items():
        found.add(question, who, lambda m=mask: hidden(m))
    found.add("causal", who, causal)


def read(model, given):
    """Runs a graph of ONNX."""
    core = ov.Core()
    made = core.compile_model(core.read_model(model.SerializeToString()), "CPU", EXACT)
    return [made(given)[0]]


if __name__ == "__main__":
    found = Answers()
    attention(found)
    with_onnx.attention(found, read, "ONNX's ")
    found.print("openvino", "onnx")
