#!/usr/bin/env bash
# safetensors.numpy writes a transposed array scrambled: the shape is the view's, the numbers are not.
#
# Versions    safetensors 0.8.0, numpy 2.4.6, torch 2.13.0, Python 3.11
# Behaviour   safetensors.numpy.save takes an array's bytes in the order in which they lie in memory, and
#             writes the array's shape beside them. Of a transpose, or of an array in Fortran's order (as
#             LAPACK gives them), the file then holds other numbers, and loads without an error. The same
#             library's safetensors.torch refuses such a tensor. A weight that is (in, out) here and
#             (out, in) there is just what one converts with .T. np.ascontiguousarray is the remedy.
# Seen        safetensors 0.8.0, numpy 2.4.6
#             saved  [[0, 3], [1, 4], [2, 5]]
#             loaded [[0, 1], [2, 3], [4, 5]]
#             torch: ValueError
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.6 torch==2.13.0
"$work/venv/bin/python" - <<'PY'
import numpy as np
import safetensors
import safetensors.numpy
import safetensors.torch
import torch

weight = np.arange(6, dtype=np.float32).reshape(2, 3)


def round_trip(array):
    return safetensors.numpy.load(safetensors.numpy.save({"weight": array}))["weight"]


def whole(array):
    return array.astype(int).tolist()


turned, fortran = round_trip(weight.T), round_trip(np.asfortranarray(weight))
try:
    safetensors.torch.save({"weight": torch.from_numpy(weight).T})
    refused = None
except ValueError as error:
    refused = type(error).__name__
print(f"safetensors {safetensors.__version__}, numpy {np.__version__}")
print("saved ", whole(weight.T))
print("loaded", whole(turned))
print("torch:", refused)
in_memory = np.arange(6.0)
as_stated = (
    turned.shape == (3, 2)
    and np.array_equal(turned.ravel(), in_memory)
    and fortran.shape == (2, 3)
    and np.array_equal(fortran.ravel(), [0, 3, 1, 4, 2, 5])
    and np.array_equal(round_trip(np.ascontiguousarray(weight.T)), weight.T)
    and refused
)
if not as_stated:
    raise SystemExit("no longer as stated")
print("as stated: a transpose comes back as other numbers, and nothing is said")
PY
