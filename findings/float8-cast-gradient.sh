#!/usr/bin/env bash
# PyTorch's gradient of a cast to float8 and back is itself cast to float8: rounded, clipped at 448, 0 when small.
#
# Versions    torch 2.13.0, numpy 2.4.6, Python 3.11, CPU
# Behaviour   x.to(torch.float8_e4m3fn).to(x.dtype) is a common way to simulate eight bits in the forward. The
#             derivative of a cast is a cast back, so the gradient takes the same way: what reaches x has three
#             bits of fraction, is at most 448, and is 0 from 2^-10 down, although nobody asked for an
#             eight-bit backward. In float8_e5m2 what is too large becomes inf. No error, no warning.
#             Past the casts, as x + (x.to(...).to(x.dtype) - x).detach(), the gradient is whole.
# Seen        torch 2.13.0+cpu
#             gradient given        0.123, 1.07, 0.0009, 1000, 100000
#             through float8_e4m3fn 0.125, 1.125, 0, 448, 448
#             through float8_e5m2   0.125, 1, 0.000854492, 1024, inf
#             past the casts        0.123, 1.07, 0.0009, 1000, 100000
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import torch

GIVEN = [0.123, 1.07, 0.0009, 1000.0, 100000.0]
SEEN = {
    torch.float8_e4m3fn: [0.125, 1.125, 0.0, 448.0, 448.0],
    torch.float8_e5m2: [0.125, 1.0, 0.0008544921875, 1024.0, float("inf")],
    None: GIVEN,
}

as_stated = True
print("torch", torch.__version__)
print(f"{'gradient given':21}", ", ".join(f"{g:g}" for g in GIVEN))
for kind, stated in SEEN.items():
    x = torch.ones(len(GIVEN), requires_grad=True)
    if kind is None:
        y, words = x + (x.to(torch.float8_e4m3fn).to(x.dtype) - x).detach(), "past the casts"
    else:
        y, words = x.to(kind).to(x.dtype), f"through {str(kind).removeprefix('torch.')}"
    y.backward(torch.tensor(GIVEN))
    print(f"{words:21}", ", ".join(f"{g:g}" for g in x.grad.tolist()))
    as_stated &= torch.equal(x.grad, torch.tensor(stated))
if not as_stated:
    raise SystemExit("no longer as stated")
print("as stated: the gradient was cast too")
PY
