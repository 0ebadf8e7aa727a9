import numpy as np
import pytest

from npformer.inspect.sentence import sentence_figures
from npformer.models.transformer import Transformer, TransformerConfig
from npformer.text.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def figures():
    tokenizer = Tokenizer.train(["the dog sleeps", "der Hund schläft"], "word", 50)
    config = TransformerConfig(
        vocab_size=tokenizer.vocab_size,
        d_model=8,
        heads=2,
        d_ff=8,
        encoder_layers=1,
        decoder_layers=2,
    )
    model = Transformer(config, rng=np.random.default_rng(0))
    return sentence_figures(model, tokenizer, "the dog", "der Hund schläft", alignment=[(1, 1)])


def labels(figure):
    axes = figure.axes[0]
    return [
        [label.get_text() for label in side]
        for side in (axes.get_yticklabels(), axes.get_xticklabels())
    ]


def test_each_attention_has_its_figure_with_the_tokens_it_relates(figures):
    source = ["the", "dog", "<eos>"]
    read = ["<bos>", "der", "Hund", "schläft"]
    written = ["der", "Hund", "schläft", "<eos>"]
    expected = {"encoder.layers.0.self_attn": [source, source]}
    for layer in range(2):
        expected[f"decoder.layers.{layer}.self_attn"] = [read, read]
        expected[f"decoder.layers.{layer}.cross_attn"] = [written, source]
    assert {path: labels(figure) for path, figure in figures.items()} == expected
    assert all(figure.get_suptitle().startswith(path) for path, figure in figures.items())


def test_the_alignment_is_ringed_in_cross_attention_alone(figures):
    for path, figure in figures.items():
        rings = [c.get_offsets().tolist() for axes in figure.axes[:3] for c in axes.collections]
        assert rings == ([[[1, 1]]] * 3 if path.endswith("cross_attn") else [])
