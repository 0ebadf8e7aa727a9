#!/usr/bin/env bash
# Under a TorchFunctionMode, a checkpointed layer gets a wrong gradient, without an error.
#
# Versions    torch 2.13.0, numpy 2.4.6, Python 3.11, CPU
# Behaviour   torch.utils.checkpoint runs a layer again in the backward. A TorchFunctionMode is not active
#             there, even where backward() is called inside its block: the mode intercepts backward too,
#             and is off while it handles a call. So the second run is that of another function.
#             Here the mode puts sin in the place of exp, and x is 1. The derivative is cos(1) = 0.540.
#             With use_reentrant=True it is that of exp, exp(1). With use_reentrant=False it is cos(e):
#             sin's derivative at the tensor that exp saved. Only if the two runs save different numbers
#             of tensors does PyTorch notice (CheckpointError). Known as pytorch/pytorch#147995.
# Seen        torch 2.13.0+cpu
#             without checkpointing:   0.540302
#             use_reentrant=False:    -0.911734
#             use_reentrant=True:      2.718282
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


class SinForExp(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return torch.sin(*args) if func is torch.exp else func(*args, **(kwargs or {}))


def layer(x):
    return torch.exp(x)


def gradient(**options):
    x = torch.ones(1, dtype=torch.float64, requires_grad=True)
    with SinForExp():
        y = checkpoint(layer, x, **options) if options else layer(x)
        assert y.item() == math.sin(1)
        y.sum().backward()
    return x.grad.item()


plain = gradient()
without, reentrant = gradient(use_reentrant=False), gradient(use_reentrant=True)
print("torch", torch.__version__)
print(f"without checkpointing:  {plain:9.6f}")
print(f"use_reentrant=False:    {without:9.6f}")
print(f"use_reentrant=True:     {reentrant:9.6f}")
expected = (math.cos(1), math.cos(math.e), math.e)
if any(abs(a - b) > 1e-9 for a, b in zip((plain, without, reentrant), expected)):
    raise SystemExit("no longer as stated")
print("as stated: both kinds of checkpointing give a wrong gradient")
PY
