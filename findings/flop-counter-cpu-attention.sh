#!/usr/bin/env bash
# PyTorch's FlopCounterMode takes the CPU's fused attention for no work at all.
#
# Versions    torch 2.13.0, numpy 2.4.6, Python 3.11, CPU
# Behaviour   torch.utils.flop_counter counts scaled_dot_product_attention on CUDA, and on the CPU where
#             it is made of plain products. The CPU's fused kernel, which is the default there, has no
#             entry in its registry: forward and backward count 0, without a warning, so the share of
#             attention is missing from every total. A registered formula is the remedy.
#             Reported as pytorch/pytorch#195460.
# Seen        torch 2.13.0+cpu
#             plain products: forward, and with the backward 262144 786432
#             fused kernel:   forward, and with the backward 0 0
#             fused kernel's forward with a formula registered: 262144
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

q, k, v = (torch.randn(1, 4, 32, 16, requires_grad=True) for _ in range(3))


def count(backend, **options):
    """Operations of the forward, and of forward and backward."""
    with sdpa_kernel(backend), FlopCounterMode(display=False, **options) as counter:
        y = F.scaled_dot_product_attention(q, k, v)
        forward = counter.get_total_flops()
        y.sum().backward()
    return forward, counter.get_total_flops()


fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
formula = {fused: lambda q, k, v, *_, **__: sdpa_flop_count(q, k, v)}
plain = count(SDPBackend.MATH)
silent = count(SDPBackend.FLASH_ATTENTION)
told = count(SDPBackend.FLASH_ATTENTION, custom_mapping=formula)
print("torch", torch.__version__)
print("plain products: forward, and with the backward", *plain)
print("fused kernel:   forward, and with the backward", *silent)
print("fused kernel's forward with a formula registered:", told[0])
if plain != (262144, 786432) or silent != (0, 0) or told[0] != plain[0]:
    raise SystemExit("no longer as stated")
print("as stated: FlopCounterMode counts nothing for fused attention on the CPU")
PY
