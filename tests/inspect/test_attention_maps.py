import numpy as np
import pytest

from npformer.errors import ShapeError
from npformer.inspect.attention import attention_maps
from npformer.models.transformer import Transformer, TransformerConfig

SOURCE, TARGET = [4, 5, 6, 7, 3], [2, 8, 9]


def make_model(**changes):
    config = TransformerConfig(
        **{
            "vocab_size": 12,
            "d_model": 8,
            "heads": 4,
            "d_ff": 8,
            "encoder_layers": 2,
            "decoder_layers": 3,
            "max_length": 8,
            **changes,
        }
    )
    return Transformer(config, rng=np.random.default_rng(0), dtype=np.float64)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_every_attention_of_the_model_has_a_map_of_its_shape(norm):
    maps = attention_maps(make_model(norm=norm), SOURCE, TARGET)
    shapes = {path: weights.shape for path, weights in maps.items()}
    expected = {f"encoder.layers.{i}.self_attn": (4, 5, 5) for i in range(2)}
    for i in range(3):
        expected[f"decoder.layers.{i}.self_attn"] = (4, 3, 3)
        expected[f"decoder.layers.{i}.cross_attn"] = (4, 3, 5)
    assert shapes == expected
    assert list(maps) == list(expected)
    for weights in maps.values():
        np.testing.assert_allclose(weights.sum(axis=2), 1.0, rtol=1e-12)


def test_a_target_position_sees_none_after_it():
    maps = attention_maps(make_model(), SOURCE, TARGET)
    for i in range(3):
        assert (np.triu(maps[f"decoder.layers.{i}.self_attn"], 1) == 0).all()


def test_a_map_is_what_its_own_layer_computes():
    # The first layer's self-attention, recomputed from the projections alone.
    model = make_model()
    weights = attention_maps(model, SOURCE, TARGET)["encoder.layers.0.self_attn"]
    x, _ = model._embed(np.array([SOURCE]))
    attention = model.encoder.layers[0].self_attn
    q, k = attention.q_proj.forward(x)[0][0], attention.k_proj.forward(x)[0][0]  # (S, D)
    for head in range(4):
        columns = slice(2 * head, 2 * head + 2)
        scores = np.exp(q[:, columns] @ k[:, columns].T / np.sqrt(2))
        np.testing.assert_allclose(
            weights[head], scores / scores.sum(axis=1, keepdims=True), rtol=1e-12
        )


def test_too_long_a_sentence_is_refused():
    with pytest.raises(ShapeError, match="9 tokens"):
        attention_maps(make_model(), [4] * 9, TARGET)
