#!/usr/bin/env bash
# A query whose keys are all hidden by float32's lowest number: the mean of the values, or 0, by the engine.
#
# Versions    onnx 1.23.2, onnxruntime 1.32.0, openvino 2026.4.1, numpy 2.4.6, Python 3.11, CPU
# Behaviour   Many models hide keys by adding finfo.min to their scores, so that a query that sees nothing
#             has the mean of all values instead of NaN. ONNX's Attention adds its mask likewise, and so do the
#             reference and OpenVINO. ONNX Runtime gives 0 for that number, as for -inf; for -1e9 it gives
#             the mean as well.
# Seen        onnx 1.23.2, onnxruntime 1.32.0, openvino 2026.4.1; values 1, 3
#             finfo.min: reference 2, ONNX Runtime 0, OpenVINO 2
#             -1e9: reference 2, ONNX Runtime 2, OpenVINO 2
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

FLOAT = TensorProto.FLOAT
q = np.ones((1, 1, 1, 1), np.float32)  # (B, N, T, H)
k, v = (np.array(x, np.float32).reshape(1, 1, 2, 1) for x in ([1, 2], [1, 3]))
shapes = {"q": q.shape, "k": k.shape, "v": v.shape, "mask": (1, 2)}
graph = helper.make_graph(
    [helper.make_node("Attention", list(shapes), ["y"])],
    "one",
    [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in shapes.items()],
    [helper.make_tensor_value_info("y", FLOAT, q.shape)],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=11)
onnx.checker.check_model(model)
text = model.SerializeToString()
runtime = onnxruntime.InferenceSession(text, providers=["CPUExecutionProvider"])
core = openvino.Core()
made = core.compile_model(core.read_model(text), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def hidden(number):
    given = {"q": q, "k": k, "v": v, "mask": np.full((1, 2), number, np.float32)}
    results = ReferenceEvaluator(model).run(None, given), runtime.run(None, given), made(given)
    return [round(float(result[0].item()), 4) for result in results]


packages = ("onnx", "onnxruntime", "openvino")
print(f"{', '.join(f'{name} {version(name)}' for name in packages)}; values 1, 3")
found = {}
for name, number in (("finfo.min", np.finfo(np.float32).min), ("-1e9", -1e9)):
    found[name] = hidden(number)
    print("{}: reference {:g}, ONNX Runtime {:g}, OpenVINO {:g}".format(name, *found[name]))
if found != {"finfo.min": [2, 0, 2], "-1e9": [2, 2, 2]}:
    raise SystemExit("no longer as stated")
print("as stated: one mask, two outputs")
PY
