#!/usr/bin/env bash
# One package, the same weights, three answers: causal attention with fewer queries than keys.
#
# Versions    memory-efficient-attention-pytorch 0.1.6, torch 2.13.0, numpy 2.4.6, Python 3.11, CPU
# Behaviour   Its Attention computes plainly or, with memory_efficient=True, in blocks; FlashAttention is a
#             third form with a backward of its own. With as many queries as keys the three agree. With
#             fewer, the plain form aligns the causal mask with the last key, the one in blocks with the
#             first, and FlashAttention shifts it the wrong way: one query over two keys may see neither,
#             and its weights, which are left over from the mask's large number, are equal whatever the
#             scores are. Its gradient with respect to the values is then twice what is right for those.
# Seen        memory-efficient-attention-pytorch 0.1.6, torch 2.13.0+cpu
#             weights of two keys whose scores are 0 and 1
#             plain: 0.269 0.731; in blocks: 1.000 0.000; flash: 0.500 0.500, gradient 1.000 1.000
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet memory-efficient-attention-pytorch==0.1.6 torch==2.13.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import warnings
from importlib.metadata import version

import torch
from memory_efficient_attention_pytorch import Attention, FlashAttention

warnings.simplefilter("ignore")  # of PyTorch's, at how the package calls checkpoint
NAME = "memory-efficient-attention-pytorch"
SIZE = 2
"""Of the model and of its one head."""


def identity(form):
    """The same layer with projections that change nothing; values are the memory itself."""
    with torch.no_grad():
        form.to_q.weight.copy_(torch.eye(SIZE))
        form.to_kv.weight.copy_(torch.eye(SIZE).repeat(2, 1))
        form.to_out.weight.copy_(torch.eye(SIZE))
    return form


def layers(**options):
    options |= dict(dim=SIZE, heads=1, dim_head=SIZE, causal=True)
    plain, blocks = (Attention(**options, memory_efficient=m) for m in (False, True))
    return {"plain": plain, "in blocks": blocks, "flash": FlashAttention(**options)}


# Scores are 0 and 1: the query is sqrt(2) along the second axis, keys are the unit vectors.
query, memory = torch.tensor([[[0.0, 2**0.5]]]), torch.eye(2)[None]
weights, gradients, same = {}, {}, []
for name, form in layers().items():
    form = identity(form)
    y = form(query, context=memory)
    weights[name] = [round(w, 3) for w in y[0, 0].tolist()]
    y[0, 0, 0].backward()
    gradients[name] = form.to_kv.weight.grad[SIZE].tolist()  # of the first value, by each key
    same.append(form(memory, context=memory).detach())
print(f"{NAME} {version(NAME)}, torch {torch.__version__}")
print("weights of two keys whose scores are 0 and 1")
told = {name: " ".join(f"{w:.3f}" for w in given) for name, given in weights.items()}
print("; ".join(f"{name}: {text}" for name, text in told.items())
      + ", gradient " + " ".join(f"{g:.3f}" for g in gradients["flash"]))
as_stated = (
    weights == {"plain": [0.269, 0.731], "in blocks": [1, 0], "flash": [0.5, 0.5]}
    and [round(g, 3) for g in gradients["flash"]] == [1, 1]
    and all(torch.allclose(same[0], other, atol=1e-6) for other in same)
)
if not as_stated:
    raise SystemExit("no longer as stated")
print("as stated: three alignments, and a gradient that belongs to none")
PY
