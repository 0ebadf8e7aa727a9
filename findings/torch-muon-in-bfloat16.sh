#!/usr/bin/env bash
# torch.optim.Muon: the step of float64 weights has the digits of bfloat16.
#
# Versions    torch 2.13.0, Python 3.11, CPU
# Behaviour   The five Newton-Schulz iterations are made in bfloat16, whatever the dtype of the parameter and
#             its gradient, and no option says otherwise. The step that comes back is float64, and is off by
#             some percent of what the same five iterations give in float64. Gradients that differ by one part
#             in a hundred thousand in each entry give the same step to the bit, so that nothing can be
#             learned of the optimizer by differences, and a twin in float64 agrees to two digits at most.
# Seen        torch 2.13.0+cpu: the step is torch.float64
#             off from the same iterations in float64 by 0.0216 of its largest entry
#             largest change of the step as the gradient moves by 1e-5: 0.0
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import torch

torch.manual_seed(0)
ROWS, COLUMNS = 6, 8
gradient = torch.randn(ROWS, COLUMNS, dtype=torch.float64)


def step(gradient):
    parameter = torch.nn.Parameter(torch.zeros_like(gradient))
    parameter.grad = gradient.clone()
    torch.optim.Muon([parameter], lr=1.0, momentum=0.0, nesterov=False, weight_decay=0.0).step()
    return parameter.detach()


def in_float64(gradient):
    """Five iterations x <- a x + (b s + c s^2) x with s = x x^T, for at most as many rows as columns."""
    x = gradient / gradient.norm()
    for _ in range(5):
        s = x @ x.T
        x = 3.4445 * x + (-4.7750 * s + 2.0315 * s @ s) @ x
    return -x


found, exact = step(gradient), in_float64(gradient)
off = ((found - exact).abs().max() / exact.abs().max()).item()
moved = gradient * (1 + 1e-5 * torch.randn_like(gradient))
change = (step(moved) - found).abs().max().item()
print(f"torch {torch.__version__}: the step is {found.dtype}")
print(f"off from the same iterations in float64 by {off:.4f} of its largest entry")
print(f"largest change of the step as the gradient moves by 1e-5: {change}")
if found.dtype != torch.float64 or not 1e-3 < off < 0.1 or change != 0:
    raise SystemExit("no longer as stated")
print("as stated: a step in float64 with the digits of bfloat16")
PY
