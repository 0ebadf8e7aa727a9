"""The arithmetic of a batch, against the bench's list of products and PyTorch's own counter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from npformer.bench.products import step_products
from npformer.config import RunConfig
from npformer.models.transformer import TransformerConfig
from npformer.plan.flops import batch_flops, forward_flops, update_flops
from npformer.plan.weights import weigh
from npformer.presets import model_preset
from torch_ref.models.transformer import Transformer

ODD = TransformerConfig(
    vocab_size=23,
    d_model=12,
    heads=3,
    d_k=5,
    d_v=7,
    d_ff=20,
    encoder_layers=2,
    decoder_layers=1,
    tie_output=False,
    dropout=0.0,
)


@pytest.mark.parametrize(
    "config",
    [*map(model_preset, ("tiny", "small", "base", "big")), model_preset("tiny", "gpt"), ODD],
)
def test_it_is_what_the_bench_counts_product_by_product(config):
    counted = sum(product.flops for product in step_products(config, 16, 64))
    assert update_flops(config, 16, 64, 64) == counted


@pytest.mark.parametrize("config", [ODD, model_preset("tiny", vocab_size=40)])
def test_it_is_what_pytorch_counts_in_the_twin(config):
    """Its counter knows the plain products: attention is made of these for it."""
    twin = Transformer(config)
    source, target = torch.ones(3, 6, dtype=torch.int64), torch.ones(3, 4, dtype=torch.int64)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        logits = twin(source, target)
        forward = counter.get_total_flops()
        logits.sum().backward()
    assert forward == 3 * forward_flops(config)(6, 4)
    assert counter.get_total_flops() == update_flops(config, 3, 6, 4)


def test_six_operations_a_parameter_and_token():
    """Kaplan et al. (2020): 6 N D, to which attention's scores add a little at short lengths."""
    config = model_preset("big")
    tokens = 100 * 32
    ratio = update_flops(config, 100, 32, 32) / (
        6 * weigh(RunConfig(model=config)).numbers * tokens
    )
    assert 1 < ratio < 1.02


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=6))
def test_a_batch_is_the_sum_of_its_pairs(pairs):
    source, target = [s for s, _ in pairs], [t for _, t in pairs]
    assert batch_flops(ODD, source, target) == sum(update_flops(ODD, 1, s, t) for s, t in pairs)


def test_arrays_of_small_integers_do_not_overflow():
    lengths = np.array([200, 100], np.uint8)
    assert batch_flops(ODD, lengths, lengths) == batch_flops(ODD, [200, 100], [200, 100])


def test_both_sides_have_as_many_pairs():
    with pytest.raises(ValueError, match="2 source lengths and 1 target"):
        batch_flops(ODD, [3, 4], [5])
