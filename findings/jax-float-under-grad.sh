#!/usr/bin/env bash
# JAX: under grad and without jit, `if x.sum() > 0` sees the number and `float(x.sum())` does not.
#
# Versions    jax 0.10.2, jaxlib 0.10.2, NumPy 2.4.6
# Behaviour   Outside jit, jax.grad traces with the numbers at hand: Python's `if` may look at them, and the
#             branch that was taken is differentiated. float() of the same scalar, say for a print or a
#             comparison with a Python number, raises ConcretizationTypeError, as if the function were
#             being compiled; bool() of a comparison does not.
# Seen        gradient [2. 2. 2.] with `if`, ConcretizationTypeError with float()
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import sys

import jax
import jax.numpy as jnp


def by_truth(x):
    return (2 * x).sum() if x.sum() > 0 else x.sum()


def by_float(x):
    return (2 * x).sum() if float(x.sum()) > 0 else x.sum()


seen = []
for function in (by_truth, by_float):
    try:
        seen.append(str(jax.grad(function)(jnp.ones(3))))
    except Exception as error:
        seen.append(type(error).__name__)
print("jax", jax.__version__, seen)
sys.exit(seen != ["[2. 2. 2.]", "ConcretizationTypeError"])
PY
