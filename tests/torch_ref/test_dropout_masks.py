"""Dropout drops in the backward what it dropped in the forward, also where that runs again.

Compared by the masks themselves: a loss falls under wrong ones too.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch._inductor import config as inductor

from npformer.models.transformer import TransformerConfig
from torch_ref.models.transformer import Transformer
from torch_ref.nn.call_layer import call_layer
from torch_ref.nn.dropout import Dropout
from torch_ref.nn.linear import Linear

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
P = 0.5
SHAPE = B, T, D = 4, 64, 128


class Branch(nn.Module):
    """Dropout where the twin has it, after a projection; here that is the identity.

    (Not of a copy into another order: that is wrong in PyTorch 2.13 if compiled for CUDA,
    pytorch#198333.)
    """

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.dropout = Linear(D, D), Dropout(P)
        with torch.no_grad():
            self.linear.weight.copy_(torch.eye(D))
            self.linear.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.dropout(self.linear(x))
        return y


def masks(run: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """What was kept of ones in the forward, and of a gradient of ones in the backward."""
    x = torch.ones(SHAPE, device=DEVICE, requires_grad=True)
    y = run(x)
    y.sum().backward()
    assert x.grad is not None
    assert set(y.unique().tolist()) == {0.0, 1 / (1 - P)}
    return y != 0, x.grad != 0


@pytest.fixture(scope="module")
def compiled() -> nn.Module:
    # As in test_precision: no pool that outlives us, no programs that try vector instructions: 5 s.
    with inductor.patch({"compile_threads": 1, "cpp.vec_isa_ok": True}):
        module = Branch().to(DEVICE).train()
        module.compile(dynamic=True)
        module(torch.ones(SHAPE, device=DEVICE, requires_grad=True))
    return module


@pytest.mark.filterwarnings("ignore")  # of PyTorch's compiler, at itself
@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize("how", ["eager", "compiled"])
def test_the_backward_has_the_masks_of_the_forward(how, checkpointed, request):
    if how == "compiled" and shutil.which("g++") is None:
        pytest.skip("torch.compile needs a C++ compiler")
    module = request.getfixturevalue("compiled") if how == "compiled" else Branch().to(DEVICE)
    found = [masks(lambda x: call_layer(module, x, checkpointed=checkpointed)) for _ in "ab"]
    for forward, backward in found:
        assert torch.equal(forward, backward)
        # Every unit is drawn for itself: the share that is kept, and that of four alike.
        assert forward.double().mean().item() == pytest.approx(P, abs=0.02)
        four = forward.unflatten(-1, (-1, 4)).sum(-1)
        assert ((four == 0) | (four == 4)).double().mean().item() == pytest.approx(1 / 8, abs=0.03)
    assert not torch.equal(found[0][0], found[1][0])


def test_a_checkpointed_layer_draws_the_masks_of_its_first_run():
    config = TransformerConfig(vocab_size=11, d_model=16, heads=2, d_ff=24, dropout=P)
    layer = Transformer(config).to(DEVICE).train().encoder.layers[0]
    runs: dict[str, list[Tensor]] = {}
    for name, module in layer.named_modules():
        if isinstance(module, Dropout):
            runs[name] = []
            module.register_forward_hook(lambda *a, kept=runs[name]: kept.append(a[2] != 0))
    x = torch.randn(3, 5, 16, device=DEVICE, requires_grad=True)
    call_layer(layer, x, checkpointed=True).sum().backward()
    assert len(runs) >= 2
    for first, second in runs.values():
        assert torch.equal(first, second)
        assert 0 < first.double().mean() < 1
