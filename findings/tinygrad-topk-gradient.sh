#!/usr/bin/env bash
# topk returns one of two equal numbers, and half of its gradient goes to the other.
#
# Versions    tinygrad 0.14.0, its device that is written in Python, Python 3.11
# Behaviour   Of equal numbers topk(1) returns the first, value and index. Its backward is the maximum's,
#             which shares among equals: half of the gradient reaches a number whose index was not returned.
#             In PyTorch 2.13 and JAX 0.10.2 it reaches the number that was returned, and no other.
# Seen        tinygrad 0.14.0: x = [[2.0, 2.0, 1.0], [1.0, 2.0, 2.0]]
#             topk(1): [[2.0], [2.0]] at [[0], [1]], gradient [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet tinygrad==0.14.0
DEV=PYTHON "$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

from tinygrad import Tensor

x = Tensor([[2.0, 2.0, 1.0], [1.0, 2.0, 2.0]])
values, indices = x.topk(1)
values, chosen = values.tolist(), indices.tolist()
gradient = x.topk(1)[0].sum().gradient(x)[0].tolist()
print(f"tinygrad {version('tinygrad')}: x = {x.tolist()}")
print(f"topk(1): {values} at {chosen}, gradient {gradient}")
shared = [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]
if (values, chosen, gradient) != ([[2.0], [2.0]], [[0], [1]], shared):
    raise SystemExit("no longer as stated")
print("as stated: the gradient is not that of what was chosen")
PY
