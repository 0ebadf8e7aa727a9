"""Which kernel computes attention where there is a mask, and that its gradients are right."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from torch_ref import ops

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
DTYPE = torch.bfloat16 if DEVICE.type == "cuda" else torch.float32
META = torch.device("meta")
"""Neither a CPU nor in need of a GPU."""


@pytest.mark.parametrize("sees", ["all", "the past", "no padding"])
@pytest.mark.parametrize("length", [64, 192])
def test_gradients_of_strongly_negative_scores_are_right(length, sees):
    """Every score is about -120: exp(120), by which cuDNN's multiplies padding, is no float32."""
    b, n, h = 2, 2, 32
    draw = torch.Generator().manual_seed(length)
    q, k, v, dy = torch.randn(4, b, length, n, h, generator=draw)
    q, k = q / 10, k / 10
    q[..., 0], k[..., 0] = 1, -120 * h**0.5
    mask = torch.ones(b, 1, length, length, dtype=torch.bool)
    if sees == "the past":
        mask = mask.tril()
    if sees == "no padding":
        mask = mask[:, :, :1].clone()
        mask[1, ..., length // 2 :] = False

    def run(device, dtype):
        leaves = [a.to(DTYPE).to(device, dtype, copy=True).requires_grad_() for a in (q, k, v)]
        y = ops.attention(*leaves, mask.to(device))
        y.backward(dy.to(DTYPE).to(device, dtype))
        dq, dk, dv = (leaf.grad.cpu().double() for leaf in leaves)
        return y.detach().cpu().double(), dq[..., 1:], dk, dv  # dq[..., 0] is 0 but for rounding

    # A product of q and k is 680, of which float32 rounds off what is added to a weight's exponent.
    limit = 8 * torch.finfo(DTYPE).eps + 680 * torch.finfo(torch.float32).eps
    for found, exact in zip(run(DEVICE, DTYPE), run("cpu", torch.float64), strict=True):
        assert found.isfinite().all()
        assert (found - exact).norm() < limit * exact.norm()


def attention(q: torch.Tensor, mask: torch.Tensor | None, causal: bool = False) -> torch.Tensor:
    return ops.attention(q, q, q, mask, causal=causal)


@pytest.fixture
def allowed(monkeypatch) -> list[bool]:
    """Whether cuDNN was allowed, at each call of PyTorch's attention."""
    seen = []

    def look(q, *args, **kwargs):
        seen.append(torch.backends.cuda.cudnn_sdp_enabled())
        return q

    monkeypatch.setattr(F, "scaled_dot_product_attention", look)
    return seen


def test_cudnn_is_kept_from_masks_that_are_trained_on(allowed):
    q, mask = torch.empty(2, 6, 2, 4, device=META), torch.ones(6, 6, dtype=torch.bool, device=META)
    attention(q, mask)
    attention(q, mask, causal=True)
    attention(q[:, :3], None, causal=True)
    attention(q, None)
    with torch.no_grad():
        attention(q, mask)
    assert allowed == [False, False, True, True, True]


def test_what_was_allowed_before_is_allowed_again(allowed):
    q, mask = torch.empty(2, 6, 2, 4, device=META), torch.ones(6, 6, dtype=torch.bool, device=META)
    with sdpa_kernel([SDPBackend.MATH, SDPBackend.CUDNN_ATTENTION]):
        attention(q, mask)
        attention(q, None)
        assert not torch.backends.cuda.flash_sdp_enabled()
    assert allowed == [False, True]


def test_the_guard_is_compiled_without_a_break():
    """The graph itself sets the backends, once for the call and once back."""
    sets = []

    def backend(graph, _):
        names = [node.target.__name__ for node in graph.graph.nodes if callable(node.target)]
        sets.extend(n for n in names if n in ("_sdpa_kernel", "scaled_dot_product_attention"))
        return graph.forward

    q, mask = torch.empty(2, 6, 2, 4, device=META), torch.ones(6, 6, dtype=torch.bool, device=META)
    torch.compile(attention, backend=backend, fullgraph=True)(q, mask)
    assert sets == ["_sdpa_kernel", "scaled_dot_product_attention", "_sdpa_kernel"]
