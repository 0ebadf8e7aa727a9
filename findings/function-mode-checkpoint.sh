#!/usr/bin/env bash
# Under a TorchFunctionMode, a checkpointed layer gets a wrong gradient, without an error.
#
# Versions    torch 2.13.0, numpy 2.4.6, Python 3.11, CPU
# Behaviour   torch.utils.checkpoint runs a layer again in the backward. A TorchFunctionMode is not active
#             there, even where backward() is called inside its block: the mode intercepts backward too,
#             and is off while it handles a call. So the second run is that of another function.
#             Here the mode puts square in the place of sigmoid, and x is 1, so the derivative is 2. With
#             use_reentrant=True it is that of sigmoid. With use_reentrant=False it is 2 sigmoid(1): that
#             of square, at the tensor that sigmoid saved. Only if the two runs save different numbers of
#             tensors does PyTorch notice (CheckpointError). Known as pytorch/pytorch#147995.
# Seen        torch 2.13.0+cpu
#             without checkpointing:  2.000000
#             use_reentrant=False:    1.462117
#             use_reentrant=True:     0.196612
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import math

import torch
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint


class SquareForSigmoid(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return torch.square(*args) if func is torch.sigmoid else func(*args, **(kwargs or {}))


def layer(x):
    return torch.sigmoid(x)


def gradient(**options):
    x = torch.ones(1, dtype=torch.float64, requires_grad=True)
    with SquareForSigmoid():
        y = checkpoint(layer, x, **options) if options else layer(x)
        assert y.item() == 1.0
        y.sum().backward()
    return x.grad.item()


plain = gradient()
without, reentrant = gradient(use_reentrant=False), gradient(use_reentrant=True)
print("torch", torch.__version__)
print(f"without checkpointing:  {plain:.6f}")
print(f"use_reentrant=False:    {without:.6f}")
print(f"use_reentrant=True:     {reentrant:.6f}")
s = 1 / (1 + math.exp(-1))
expected = (2.0, 2 * s, s * (1 - s))
if any(abs(a - b) > 1e-9 for a, b in zip((plain, without, reentrant), expected)):
    raise SystemExit("no longer as stated")
print("as stated: both kinds of checkpointing give a wrong gradient")
PY
