#!/usr/bin/env bash
# NumPy's mean of 4096 bfloat16 ones is 0.0625: sums of ml_dtypes' types stop growing.
#
# Versions    ml_dtypes 0.6.0, numpy 2.4.6, Python 3.11
# Behaviour   For float16, np.mean adds in float32, and np.sum adds in pairs. Both are NumPy's care for
#             its own types: of one that ml_dtypes brings, the numbers are added one after another, each
#             sum rounded to the type. A sum stands still as soon as half a unit in its last place is more
#             than the next term: at 256 in bfloat16, 16 in float8_e4m3fn, 8 in float8_e5m2. So mean, var
#             and cumsum are wrong by any factor. A product with ones, as matmul or dot, adds in float32.
# Seen        ml_dtypes 0.6.0, numpy 2.4.6
#             of 4096 ones   float16: sum 4096 mean 1
#                            bfloat16: sum 256 mean 0.0625, and dot 4096
#                            float8_e4m3fn: sum 16, float8_e5m2: sum 8
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet ml_dtypes==0.6.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import ml_dtypes
import numpy as np


def ones(dtype):
    return np.ones(4096, dtype)


half, brain = ones(np.float16), ones(ml_dtypes.bfloat16)
e4m3, e5m2 = ones(ml_dtypes.float8_e4m3fn), ones(ml_dtypes.float8_e5m2)
found = [half.sum(), half.mean(), brain.sum(), brain.mean(), brain @ brain, e4m3.sum(), e5m2.sum()]
found = [float(x) for x in found]
print(f"ml_dtypes {ml_dtypes.__version__}, numpy {np.__version__}")
print("of 4096 ones   float16: sum {:g} mean {:g}".format(*found[:2]))
print("               bfloat16: sum {:g} mean {:g}, and dot {:g}".format(*found[2:5]))
print("               float8_e4m3fn: sum {:g}, float8_e5m2: sum {:g}".format(*found[5:]))
if found != [4096, 1, 256, 0.0625, 4096, 16, 8]:
    raise SystemExit("no longer as stated")
print("as stated: the mean of ones is a sixteenth, where their dot product is right")
PY
