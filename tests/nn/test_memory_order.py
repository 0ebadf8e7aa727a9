"""Weights column by column: the same numbers, in the order in which few rows read them fastest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.models.transformer import Transformer, TransformerConfig
from npformer.nn import Linear
from npformer.nn.memory_order import ROWS, by_columns
from npformer.ops.linear import linear_forward
from tests.models.decoders import DECODERS
from tests.models.test_decoders import model_and_twin, some_ids

sizes = st.integers(1, 9) | st.integers(ROWS - 1, 2 * ROWS + 1)


@given(sizes, sizes, st.booleans())
def test_the_numbers_are_the_same_and_lie_column_by_column(rows, columns, sliced):
    weight = np.random.default_rng(rows).normal(size=(rows, 2 * columns))
    weight = weight[:, ::2] if sliced else weight[:, :columns].copy()
    laid = by_columns(weight)
    assert laid.flags.f_contiguous
    np.testing.assert_array_equal(laid, weight)
    assert by_columns(laid) is laid


@pytest.mark.parametrize("rows", range(1, 12))
def test_every_number_of_rows_has_the_product_in_either_order(rows):
    """Of a weight that is large enough for the order to be looked at, and one that is not."""
    rng = np.random.default_rng(rows)
    x = rng.normal(size=(rows, 190))
    for size in (7, 211):
        weight = rng.normal(size=(size, 190))
        want = np.einsum("ri, oi -> ro", x, weight)
        for laid in (weight, by_columns(weight)):
            y, _ = linear_forward(x, laid)
            np.testing.assert_allclose(y, want, rtol=0, atol=1e-12 * np.abs(want).max())


@pytest.mark.parametrize("settings", DECODERS.values(), ids=DECODERS)
def test_a_decoder_laid_by_columns_says_and_learns_the_same(settings):
    model, _ = model_and_twin(settings)
    ids = some_ids()
    before = {name: array.copy() for name, array in model.state_dict().items()}
    dy = np.random.default_rng(3).normal(size=(*ids.shape, model.config.vocab_size))

    def everything():
        model.zero_grad()
        logits, cache = model.forward(ids)
        model.backward(dy, cache)
        state = model.start()
        steps = [model.step(part, state) for part in np.split(ids[:, :9], [6, 7, 8], axis=1)]
        gradients = [parameter.grad for parameter in model.parameters()]
        return [array.copy() for array in (logits, *steps, *gradients) if array is not None]

    want = everything()
    model.lay_by_columns()
    for got, expected in zip(everything(), want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-11 * np.abs(expected).max())
    assert before.keys() == model.state_dict().keys()
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    linears = [m for _, m in model.decoder.named_modules() if isinstance(m, Linear)]
    assert all(by_columns(m.weight.data) is m.weight.data for m in linears)


@pytest.mark.parametrize("tied", [True, False])
def test_the_embedding_is_laid_so_where_it_projects(tied):
    """Looked up alone, its rows are better left together."""
    sizes = {"vocab_size": 23, "d_model": 16, "heads": 4, "d_ff": 24}
    config = TransformerConfig(**sizes, encoder_layers=1, decoder_layers=1, tie_output=tied)
    model = Transformer(config, rng=np.random.default_rng(0))
    model.lay_by_columns()
    assert model.embedding.weight.data.flags.f_contiguous is tied
