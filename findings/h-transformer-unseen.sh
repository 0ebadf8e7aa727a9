#!/usr/bin/env bash
# h-transformer-1d: of 32 positions in blocks of 4, 22 see nothing outside of their own block.
#
# Versions    h-transformer-1d 0.1.9, torch 2.13.0, numpy 2.4.6, Python 3.11, CPU
# Behaviour   Hierarchical attention is to reach every earlier position, near ones one by one and far ones by
#             averages. Here no level has the two halves of a pair of blocks look at each other, and the causal
#             form drops the coarse levels for every second position and more. Without causality, nothing
#             crosses the middle of the sequence. Found by which inputs an output has a gradient for. A sequence
#             of one block has no level at all, and its attention is 0.
# Seen        h-transformer-1d 0.1.9, torch 2.13.0+cpu
#             causal, positions seen of those up to itself:
#             1/1 2/2 3/3 4/4 1/5 2/6 3/7 4/8 1/9 10/10 3/11 12/12 1/13 10/14 3/15 12/16
#             1/17 2/18 3/19 20/20 1/21 2/22 3/23 20/24 1/25 10/26 3/27 28/28 1/29 10/30 3/31 28/32
#             not causal: the first output sees 16 of 32, the last one 16, together 32
#             one block alone: the largest output is 0
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet h-transformer-1d==0.1.9 torch==2.13.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import torch
from h_transformer_1d.h_transformer_1d import CausalHAttention1D, HAttention1D

LENGTH, BLOCK = 32, 4
print(f"h-transformer-1d {version('h-transformer-1d')}, torch {torch.__version__}")
torch.manual_seed(0)
x = torch.randn(1, LENGTH, 8, requires_grad=True)


def seen(y):
    """For every output, which inputs it has a gradient for."""
    gradients = (torch.autograd.grad(row.sum(), x, retain_graph=True)[0][0] for row in y[0])
    return torch.stack([gradient.abs().sum(-1) > 0 for gradient in gradients])


size = dict(heads=1, dim_head=8, block_size=BLOCK)
causal = CausalHAttention1D(8, max_seq_len=LENGTH, **size)
earlier = seen(causal(x))
counts = earlier.sum(-1).tolist()
print("causal, positions seen of those up to itself:")
for half in (range(LENGTH // 2), range(LENGTH // 2, LENGTH)):
    print(*(f"{counts[i]}/{i + 1}" for i in half))
both = seen(HAttention1D(8, **size)(x, mask=torch.ones(1, LENGTH, dtype=torch.bool)))
first, last, together = both[0].sum().item(), both[-1].sum().item(), (both[0] | both[-1]).sum().item()
print(f"not causal: the first output sees {first} of {LENGTH}, the last one {last}, together {together}")
causal.to_out = torch.nn.Identity()
alone = causal(x[:, :BLOCK]).abs().max().item()
print(f"one block alone: the largest output is {alone:g}")
full = sum(count == i + 1 for i, count in enumerate(counts))
if counts[4:8] != [1, 2, 3, 4] or full > LENGTH // 2 or (first, last, together) != (16, 16, 32) or alone != 0:
    raise SystemExit("no longer as stated")
print("as stated: most positions never attend to most of what is before them")
PY
