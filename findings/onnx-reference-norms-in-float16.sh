#!/usr/bin/env bash
# ONNX's reference evaluator normalises float16 in float16; the standard says float32.
#
# Versions    onnx 1.23.2, onnxruntime 1.32.0, numpy 2.4.6, Python 3.11, CPU
# Behaviour   LayerNormalization and RMSNormalization have an attribute stash_type, 1 unless given: the type,
#             float32, in which their first stage is computed, whatever the input's is. ONNX Runtime does so.
#             The reference evaluator, which others are compared with, squares in float16, where 300 * 300 is
#             inf: each number becomes 0 or -0, without an error. With -100 and 100, whose squares fit, both agree.
# Seen        onnx 1.23.2, onnxruntime 1.32.0, stash_type 1 by default
#             LayerNormalization of -300, 300: reference -0, 0; runtime -1, 1
#             RMSNormalization of -300, 300: reference -0, 0; runtime -1, 1
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

np.seterr(all="ignore")


def both(op, size):
    half = TensorProto.FLOAT16
    inputs = [helper.make_tensor_value_info(n, half, s) for n, s in (("x", [1, 2]), ("weight", [2]))]
    y = helper.make_tensor_value_info("y", half, [1, 2])
    graph = helper.make_graph([helper.make_node(op, ["x", "weight"], ["y"])], "one", inputs, [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)], ir_version=11)
    onnx.checker.check_model(model)
    given = {"x": np.array([[-size, size]], np.float16), "weight": np.ones(2, np.float16)}
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    results = ReferenceEvaluator(model).run(None, given), session.run(None, given)
    return [[float(f"{z:.3g}") for z in result[0][0]] for result in results]


OPS = ("LayerNormalization", "RMSNormalization")
default = {onnx.defs.get_schema(op).attributes["stash_type"].default_value.i for op in OPS}
print(f"onnx {version('onnx')}, onnxruntime {version('onnxruntime')}, "
      f"stash_type {', '.join(map(str, default))} by default")
as_stated = default == {TensorProto.FLOAT}
for op in OPS:
    reference, runtime = both(op, 300)
    print(f"{op} of -300, 300: reference {reference[0]:g}, {reference[1]:g}; "
          f"runtime {runtime[0]:g}, {runtime[1]:g}")
    small = both(op, 100)
    as_stated &= reference == [0, 0] and runtime == [-1, 1] and small == [[-1, 1], [-1, 1]]
if not as_stated:
    raise SystemExit("no longer as stated")
print("as stated: the reference does not follow stash_type")
PY
