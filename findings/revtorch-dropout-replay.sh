#!/usr/bin/env bash
# revtorch's fix_random_seed=True replays the dropout of the last forward in every backward.
#
# Versions    revtorch 0.2.4, torch 2.13.0, numpy 2.4.6, Python 3.11, CPU
# Behaviour   A reversible block runs again in the backward. With fix_random_seed=True it draws a seed for
#             its dropout in the forward and sets it again in the backward, but it keeps the seed on itself,
#             one for all calls. Where two forwards come before a backward (a loss over two inputs), both
#             get the second's masks. Here f(x1) + f(x2) is differentiated with each backward after its
#             forward, and at once; the seeds drawn are the same. The two gradients must be equal.
#             Without dropout they are.
# Seen        revtorch 0.2.4, torch 2.13.0+cpu
#             dropout 0: gradients differ by less than 1e-12 of their norm
#             dropout 0.3: gradients differ by 0.69 of their norm
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet revtorch==0.2.4 torch==2.13.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import random
from importlib.metadata import version

import torch
from revtorch import ReversibleBlock, ReversibleSequence
from torch import nn


def difference(dropout):
    """Between the gradients of the two orders, as a part of their norm."""
    torch.manual_seed(0)
    f, g = (nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Dropout(dropout)) for _ in range(2))
    model = ReversibleSequence(
        nn.ModuleList([ReversibleBlock(f, g, split_along_dim=2, fix_random_seed=True)])
    ).double()
    inputs = torch.randn(2, 1, 4, 4, dtype=torch.float64)

    def loss(x):
        return model(x.clone().requires_grad_()).square().sum()

    def gradient(at_once):
        model.zero_grad()
        losses = []
        for number, x in enumerate(inputs):
            random.seed(number)  # revtorch draws its seeds from here
            losses.append(loss(x))
            if not at_once:
                losses[-1].backward()
        if at_once:
            sum(losses).backward()
        return torch.cat([p.grad.flatten() for p in model.parameters()])

    one_by_one, together = gradient(at_once=False), gradient(at_once=True)
    return ((together - one_by_one).norm() / one_by_one.norm()).item()


print(f"revtorch {version('revtorch')}, torch {torch.__version__}")
without, dropped = difference(0.0), difference(0.3)
if without < 1e-12:
    print("dropout 0: gradients differ by less than 1e-12 of their norm")
print(f"dropout 0.3: gradients differ by {dropped:.2f} of their norm")
if without >= 1e-12 or dropped < 0.01:
    raise SystemExit("no longer as stated")
print("as stated: every backward replays the last forward's dropout")
PY
