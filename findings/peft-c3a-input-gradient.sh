#!/usr/bin/env bash
# PEFT: what a C3A layer hands back to the layer before it is the gradient of another product.
#
# Versions    peft 0.21.2, torch 2.13.0, transformers 5.23.0, numpy 2.4.6, Python 3.11, CPU
# Behaviour   C3A multiplies by circulant blocks, and its backward is written by hand. Its gradient of the
#             weights is right. Its gradient of the input is what the right one would be for a dy whose entries
#             stand in reverse order (modulo the block) in each block: a conjugate is missing. So an adapter
#             trains rightly only if no other one stands between it and the loss. In blocks of 1 and 2 the
#             reversed order is the same order.
# Seen        peft 0.21.2, torch 2.13.0+cpu
#             blocks of 2: dx is off by 0%, dweight by 0%
#             blocks of 4: dx is off by 75%, dweight by 0%
#             two adapted layers, slope along a random direction of the last one's weights: by differences
#             1.000 of what backward says
#             of the first one's: by differences 1.349 of what backward says
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet peft==0.21.2 torch==2.13.0 transformers==5.23.0 numpy==2.4.6
"$work/venv/bin/python" - 2>/dev/null <<'PY'
import peft
import torch
from peft import C3AConfig, get_peft_model
from peft.tuners.c3a.utils import BlockCircularConvolution, get_circulant_fast

print(f"peft {peft.__version__}, torch {torch.__version__}")


def off(found, exact):
    """The norm of the difference, in percent of the exact gradient's."""
    return 100 * (torch.linalg.vector_norm(found - exact) / torch.linalg.vector_norm(exact)).item()


def operation(block):
    """dx and dweight of the operation, against autograd through the matrix that merging uses."""
    torch.manual_seed(0)
    x = torch.randn(5, 8, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(8 // block, 8 // block, block, dtype=torch.float64, requires_grad=True)
    y = BlockCircularConvolution.apply(x, weight)
    matrix = get_circulant_fast(weight)
    assert torch.allclose(y, x @ matrix.T)
    dy = torch.randn_like(y)
    found = torch.autograd.grad(y, (x, weight), dy)
    exact = torch.autograd.grad(x @ matrix.T, (x, weight), dy)
    return [off(*pair) for pair in zip(found, exact)]


def ratio(layer):
    """The slope along a random direction of that layer's kernel by differences, in units of backward's."""
    torch.manual_seed(0)
    plain = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Tanh(), torch.nn.Linear(8, 8))
    adapted = C3AConfig(block_size=4, target_modules=["0", "2"], init_weights="gaussian")
    model = get_peft_model(plain, adapted)
    kernels = [p for name, p in model.named_parameters() if "c3a_kernel" in name]
    x, dy = torch.randn(2, 64, 8).unbind()
    (model(x) * dy).sum().backward()
    kernel, direction = kernels[layer], torch.randn_like(kernels[layer])
    sums = []
    with torch.no_grad():
        for step in (1e-2, -2e-2):
            kernel += step * direction
            sums.append((model(x) * dy).sum().item())
    return (sums[0] - sums[1]) / 2e-2 / (kernel.grad * direction).sum().item()


found = {block: operation(block) for block in (2, 4)}
for block, (dx, dweight) in found.items():
    print(f"blocks of {block}: dx is off by {dx:.0f}%, dweight by {dweight:.0f}%")
last, first = ratio(1), ratio(0)
print("two adapted layers, slope along a random direction of the last one's weights: by differences")
print(f"{last:.3f} of what backward says")
print(f"of the first one's: by differences {first:.3f} of what backward says")
right = found[2][0] < 1e-6 and max(dweight for _, dweight in found.values()) < 1e-6
if not (right and found[4][0] > 10 and abs(last - 1) < 0.01 and abs(first - 1) > 0.05):
    raise SystemExit("no longer as stated")
print("as stated: the gradient of a C3A layer's input is wrong, and so are those of all layers before it")
PY
