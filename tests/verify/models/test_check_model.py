"""What goes in is found out, what is given is left alone, and what cannot be asked is said."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from torch import nn

from npformer.errors import VerifyError
from npformer.nn import Linear
from npformer.nn.module import Module
from npformer.ops.linear import linear_backward, linear_forward
from npformer.verify import check_model
from tests.verify.models.wrong import LM, Attention

LENGTHS = (2, 3)


class Forgets(Module):
    """A NumPy map that keeps its input on itself, as many a first framework does."""

    def __init__(self):
        self.inner = Inner()

    def forward(self, x):
        return self.inner.forward(x)

    def backward(self, dy, cache):
        return self.inner.backward(dy, cache)


class Inner(Linear):
    def __init__(self):
        super().__init__(3, 3, rng=np.random.default_rng(0), dtype=np.float64)

    def forward(self, x):
        y, self.kept = linear_forward(x, self.weight.data, self.bias.data)
        return y, object()

    def backward(self, dy, cache):
        dx, dweight, dbias = linear_backward(dy, self.kept)
        self.weight.accumulate(dweight)
        self.bias.accumulate(dbias)
        return dx


def names(several):
    return {asked.name for asked in several}


def test_state_on_a_numpy_module():
    result = check_model(Forgets(), lengths=LENGTHS)
    assert names(result.broken) == {"two-backwards"}
    (asked,) = result.broken
    assert (asked.broken.module, asked.broken.length) == ("inner", 1)
    assert "weight" in asked.broken.parameters[0]


def test_the_same_seed_gives_the_same_answer_and_the_model_is_left_alone():
    torch.manual_seed(0)
    model = LM(off=1).eval()
    before = {name: p.clone() for name, p in model.state_dict().items()}
    state, default = torch.get_rng_state(), torch.get_default_dtype()
    first, second = (check_model(model, lengths=LENGTHS, seed=3) for _ in range(2))
    assert first.to_dict() == second.to_dict()
    assert torch.equal(state, torch.get_rng_state()) and torch.get_default_dtype() is default
    assert not model.training
    assert all(torch.equal(before[name], p) for name, p in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_a_decoder_layer_reads_two_streams():
    layer = nn.TransformerDecoderLayer(8, 2, 8)  # the length is its first axis

    def call(module, target, memory):
        length = len(target)
        mask = nn.Transformer.generate_square_subsequent_mask(length, dtype=target.dtype)
        return module(target, memory, tgt_mask=mask)

    result = check_model(layer, call=call, lengths=LENGTHS)
    assert result.passed and "future" in names(result.held), str(result)
    result = check_model(layer, lengths=LENGTHS)
    reasons = {asked.name: asked.not_asked for asked in result.asked}
    assert "tgt_mask, which may hide what is later, was not given" in reasons["future"]
    assert not result.passed and "NO VERDICT" in str(result).splitlines()[1]
    assert "step=" in reasons["cached-step"] and "plain=" in reasons["memory-saving"]
    assert "future" not in names(result.held)


def test_options_are_found_in_a_builder():
    def build(off: Literal[0, 1] = 0, stabiliser: bool = False, width: int = 8):
        torch.manual_seed(0)
        return Attention(off, stabiliser=stabiliser)

    result = check_model(build, causal=True, lengths=(2, 3))
    assert {asked.options for asked in result.broken} == {"off=1", "stabiliser=True"}
    assert check_model(build, causal=True, lengths=(2, 3), options={}).passed


def test_a_model_that_rounds_to_float32_is_compared_in_its_units():
    class Rounds(nn.Module):
        def __init__(self):
            super().__init__()
            self.map = nn.Linear(4, 4)

        def forward(self, x):
            return self.map(x).float().softmax(-1).to(x)

    result = check_model(Rounds(), lengths=LENGTHS)
    assert result.passed and result.dtype == "float64, in part float32", str(result)


def test_random_numbers_in_evaluation():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.map = nn.Linear(4, 4)

        def forward(self, x):
            return self.map(x) + torch.rand_like(x)

    result = check_model(Noisy(), lengths=LENGTHS, causal=True)
    assert result.passed, str(result)
    assert names(result.held) == {
        *("repeat", "future", "future-gradient", "neighbours", "trained", "two-backwards")
    }


@pytest.mark.parametrize(
    ("given", "options", "said"),
    [
        (nn.Bilinear(2, 3, 4), {}, "give inputs="),
        (3, {}, "is no module"),
        (lambda: 3, {}, "of type int"),
        (lambda width: None, {}, "needs width"),
        (nn.Linear(4, 4), {"width": 5}, "give inputs="),
        (nn.Flatten(0, 1), {"width": 4}, "must be \\(batch, length"),
        (nn.Linear(4, 4), {"lengths": (0,)}, "each must be 1 or more"),
        (nn.Linear(4, 4), {"inputs": np.ones(3)}, "must be \\(batch, length"),
        (nn.Linear(4, 4), {"inputs": lambda batch, length, rng: {}}, "gives no arrays"),
        (nn.Linear(4, 4), {"inputs": {}}, "holds no arrays"),
        (nn.Linear(4, 4), {"plain": nn.Linear(3, 4)}, "same parameters"),
    ],
)
def test_what_gives_no_verdict(given, options, said):
    with pytest.raises(VerifyError, match=said):
        check_model(given, **options)
