#!/usr/bin/env bash
# PyTorch casts infinity to float8_e4m3fn as 448, and -1 to float8_e8m0fnu as 1; ml_dtypes gives NaN.
#
# Versions    torch 2.13.0, ml_dtypes 0.6.0, numpy 2.4.6, Python 3.11, CPU
# Behaviour   The types have the same names and bits in both, and JAX and NumPy use ml_dtypes'. What a type
#             cannot hold differs. float8_e4m3fn has no infinity: ml_dtypes gives NaN for all that rounds
#             to more than 448, PyTorch gives 448, for infinity too, so that an overflow upstream is an
#             ordinary number afterwards. PyTorch does so for this type only: float8_e5m2 gives inf, and
#             float8_e4m3fnuz NaN. float8_e8m0fnu, the scale of microscaling formats, has neither sign nor
#             zero: ml_dtypes gives NaN for both, PyTorch drops the sign, and gives 2^-127 for 0.
# Seen        torch 2.13.0+cpu, ml_dtypes 0.6.0
#             float8_e4m3fn    of 1000, inf:   torch 448 448    ml_dtypes nan nan
#             float8_e5m2      of 1e+06, inf:  torch inf inf    ml_dtypes inf inf
#             float8_e4m3fnuz  of 1000, inf:   torch nan nan    ml_dtypes nan nan
#             float8_e8m0fnu   of -1, 0:       torch 1 5.87747e-39    ml_dtypes nan nan
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 ml_dtypes==0.6.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import ml_dtypes
import numpy as np
import torch

INF, NAN = np.inf, np.nan
CASES = {  # what is cast, and what PyTorch and ml_dtypes make of it
    "float8_e4m3fn": ([1000, INF], [448, 448], [NAN, NAN]),
    "float8_e5m2": ([1e6, INF], [INF, INF], [INF, INF]),
    "float8_e4m3fnuz": ([1000, INF], [NAN, NAN], [NAN, NAN]),
    "float8_e8m0fnu": ([-1, 0], [1, 2.0**-127], [NAN, NAN]),
}

as_stated = True
print(f"torch {torch.__version__}, ml_dtypes {ml_dtypes.__version__}")
for name, (given, in_torch, in_ml_dtypes) in CASES.items():
    x = np.array(given, np.float32)
    ours = torch.from_numpy(x).to(getattr(torch, name)).float().numpy()
    with np.errstate(invalid="ignore"):
        theirs = x.astype(getattr(ml_dtypes, name)).astype(np.float32)
    numbers = [" ".join(f"{float(number):g}" for number in numbers) for numbers in (ours, theirs)]
    of = ", ".join(f"{number:g}" for number in given)
    print(f"{name:16} of {of + ':':12} torch {numbers[0]}    ml_dtypes {numbers[1]}")
    for found, stated in ((ours, in_torch), (theirs, in_ml_dtypes)):
        as_stated &= np.array_equal(found, np.array(stated, np.float32), equal_nan=True)
if not as_stated:
    raise SystemExit("no longer as stated")
print("as stated: the two agree on what fits, and not on what does not")
PY
