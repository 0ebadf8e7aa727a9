"""What the twin's RMS norm does in sixteen bits, where the order of rounding shows."""

from __future__ import annotations

import torch

from torch_ref.nn import RMSNorm


def test_one_is_added_to_the_weight_in_float32():
    """bfloat16 has 8 digits: 1 + 15.8125 is 16.75 or 16.875 there, and 16.8125 in float32."""
    norm = RMSNorm(1, 0.0, plus_one=True, dtype=torch.bfloat16)
    norm.weight.data.fill_(15.8125)
    x = torch.tensor([[1.0]], dtype=torch.bfloat16)
    assert (1 + norm.weight).item() != 16.8125
    wide = RMSNorm(1, 0.0, plus_one=True)
    wide.weight.data.fill_(15.8125)
    assert wide(x.float()).item() == 16.8125
    assert norm(x).item() == torch.tensor(16.8125).bfloat16().item()


def test_the_result_has_the_dtype_of_what_came_in_and_is_rounded_once():
    """As PyTorch and Gemma do; Llama rounds before it multiplies, and again after it."""
    torch.manual_seed(0)
    x = torch.randn(64, 32).bfloat16()
    for plus_one in (False, True):
        norm = RMSNorm(32, plus_one=plus_one)
        norm.weight.data.copy_(torch.randn(32))
        scale = norm.weight + 1 if plus_one else norm.weight
        xhat = torch.nn.functional.rms_norm(x.float(), (32,), None, norm.eps)
        y = norm(x)
        assert y.dtype == torch.bfloat16
        assert torch.equal(y, (xhat * scale).bfloat16())
        assert not torch.equal(y, (xhat.bfloat16() * scale).bfloat16())
