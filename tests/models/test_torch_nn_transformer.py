"""A third witness: the NumPy modules against ``torch.nn``'s own, which neither engine is made of.

Weights are mapped onto ``nn.MultiheadAttention``, the encoder and decoder layers, their stacks and
``nn.Transformer``; outputs and every gradient must agree in float64, under a random upstream
gradient, with padding, S != T, and all parameters moved off their initial values. The error is in
units of eps times the largest element of the reference; for the bias of the queries, keys and
values, of their weight's gradient, because the key bias's true gradient is zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from npformer.models.transformer import Transformer, TransformerConfig
from npformer.nn import Layer, Module, MultiHeadAttention, Stack

LIMIT = 128  # over 60 seeds the worst is 94, the median 4; a wrong gradient is off by 1e10 or more
EPS = np.finfo(np.float64).eps

RENAMED = {
    "cross_attn.": "multihead_attn.",
    "feed_forward.linear": "linear",
    "self_attn_residual.norm": "norm1",
}


def torch_names(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights or gradients by our paths -> by the paths of ``torch.nn``'s transformer modules.

    It keeps the three input projections of an attention in one matrix, one above the other.
    """
    renamed = {}
    for path, array in arrays.items():
        if any(projection in path for projection in ("k_proj", "v_proj")):
            continue
        if "q_proj" in path:
            array = np.concatenate([arrays[path.replace("q_proj", p + "_proj")] for p in "qkv"])
            path = path.replace("q_proj.", "in_proj_")
        for ours, theirs in RENAMED.items():
            path = path.replace(ours, theirs)
        in_decoder = path.startswith("decoder.") or any("cross_attn" in p for p in arrays)
        last = "norm3" if in_decoder and not path.startswith("encoder.") else "norm2"
        path = path.replace("cross_attn_residual.norm", "norm2")
        renamed[path.replace("feed_forward_residual.norm", last)] = array
    return renamed


def moved(module: Module, rng: np.random.Generator) -> Module:
    for parameter in module.parameters():
        parameter.data += 0.2 * rng.standard_normal(parameter.data.shape)
    return module


def parameters(theirs: nn.Module) -> dict[str, nn.Parameter]:
    return {name.removeprefix("core."): p for name, p in theirs.named_parameters()}


def load(theirs: nn.Module, ours: Module) -> None:
    weights, own = torch_names(ours.state_dict()), parameters(theirs)
    assert weights.keys() == own.keys()
    for name, weight in weights.items():
        own[name].data = torch.tensor(weight)


def assert_close(name: str, array: np.ndarray, reference: torch.Tensor, scale: float = 0.0):
    expected = reference.detach().numpy()
    scale = max(scale, float(np.abs(expected).max()))
    error = float(np.abs(array - expected).max()) / (EPS * scale)
    assert error <= LIMIT, f"{name}: {error:.1f} eps"


def assert_same_gradients(ours: Module, theirs: nn.Module) -> None:
    gradients = torch_names({n: p.grad for n, p in ours.named_parameters()})
    expected = {name: p.grad for name, p in parameters(theirs).items()}
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        scaled_by = expected[name.replace("in_proj_bias", "in_proj_weight")]
        assert_close(name, gradient, expected[name], float(scaled_by.abs().max()))


def padding(rng: np.random.Generator, batch: int, length: int) -> np.ndarray:
    """(B, S), True where a token stands; every row has one at least, the first row all.

    Were no row longer than one token, attention would have no choice, and every gradient of its
    queries and keys would be rounding error alone.
    """
    lengths = rng.integers(1, length + 1, size=(batch, 1))
    lengths[0] = length
    return np.arange(length) < lengths


def leaf(array: np.ndarray) -> torch.Tensor:
    return torch.tensor(array, requires_grad=True)


def not_causal(length: int) -> torch.Tensor:
    return torch.ones(length, length, dtype=torch.bool).triu(1)  # True is "may not" there


def configs() -> Iterator[TransformerConfig]:
    for norm in ("post", "pre"):
        for activation in ("relu", "gelu"):
            yield TransformerConfig(
                vocab_size=17,
                d_model=12,
                heads=3,
                d_ff=20,
                encoder_layers=2,
                decoder_layers=3,
                dropout=0.0,
                norm=norm,
                activation=activation,
            )


every_config = pytest.mark.parametrize(
    "config", list(configs()), ids=lambda c: f"{c.norm}-{c.activation}"
)
every_seed = pytest.mark.parametrize("seed", range(4))


def torch_layer(kind: type[nn.Module], c: TransformerConfig) -> nn.Module:
    return kind(
        c.d_model,
        c.heads,
        c.d_ff,
        dropout=0.0,
        activation=c.activation,
        layer_norm_eps=c.layer_norm_eps,
        batch_first=True,
        norm_first=c.norm == "pre",
        dtype=torch.float64,
    )


def our_layers(
    c: TransformerConfig, stack: bool, rng: np.random.Generator, *, layers: int, **settings
) -> Layer | Stack:
    shared = {"norm": c.norm, "activation": c.activation, "eps": c.layer_norm_eps}
    sizes = (layers, c.d_model, c.heads, c.d_ff) if stack else (c.d_model, c.heads, c.d_ff)
    return (Stack if stack else Layer)(*sizes, rng=rng, dtype=np.float64, **shared, **settings)


def torch_encoder(c: TransformerConfig) -> nn.TransformerEncoder:
    layer = torch_layer(nn.TransformerEncoderLayer, c)
    norm = nn.LayerNorm(c.d_model, dtype=torch.float64) if c.norm == "pre" else None
    return nn.TransformerEncoder(layer, c.encoder_layers, norm, enable_nested_tensor=False)


def torch_decoder(c: TransformerConfig) -> nn.TransformerDecoder:
    layer = torch_layer(nn.TransformerDecoderLayer, c)
    norm = nn.LayerNorm(c.d_model, dtype=torch.float64) if c.norm == "pre" else None
    return nn.TransformerDecoder(layer, c.decoder_layers, norm)


@every_seed
@pytest.mark.parametrize("causal", [False, True])
def test_multi_head_attention(causal, seed):
    rng = np.random.default_rng(seed)
    B, T, S, D = 3, 5, 5 if causal else 7, 12
    ours = moved(MultiHeadAttention(D, 3, rng=rng, dtype=np.float64), rng)
    theirs = nn.MultiheadAttention(D, 3, batch_first=True, dtype=torch.float64)
    load(theirs, ours)
    x, memory = rng.standard_normal((B, T, D)), rng.standard_normal((B, S, D))
    dy, keep = rng.standard_normal((B, T, D)), padding(rng, B, S)

    y, cache = ours.forward(x, memory, keep[:, None, None, :], causal=causal)
    dx, dmemory = ours.backward(dy, cache)

    tx, tmemory = leaf(x), leaf(memory)
    expected, _ = theirs(
        tx,
        tmemory,
        tmemory,
        key_padding_mask=torch.tensor(~keep),
        attn_mask=not_causal(T) if causal else None,
        need_weights=False,
    )
    expected.backward(torch.tensor(dy))
    assert_close("y", y, expected)
    assert_close("dx", dx, tx.grad)
    assert_close("dmemory", dmemory, tmemory.grad)
    assert_same_gradients(ours, theirs)


@every_seed
@every_config
@pytest.mark.parametrize("stack", [False, True], ids=["layer", "stack"])
def test_encoder(config, stack, seed):
    rng = np.random.default_rng(seed)
    B, S, D = 3, 6, config.d_model
    ours = moved(our_layers(config, stack, rng, layers=config.encoder_layers), rng)
    theirs = torch_encoder(config) if stack else torch_layer(nn.TransformerEncoderLayer, config)
    load(theirs, ours)
    x, dy, keep = rng.standard_normal((B, S, D)), rng.standard_normal((B, S, D)), padding(rng, B, S)

    y, cache = ours.forward(x, mask=keep[:, None, None, :])
    dx = ours.backward(dy, cache)

    tx = leaf(x)
    expected = theirs(tx, src_key_padding_mask=torch.tensor(~keep))
    expected.backward(torch.tensor(dy))
    assert_close("y", y, expected)
    assert_close("dx", dx, tx.grad)
    assert_same_gradients(ours, theirs)


@every_seed
@every_config
@pytest.mark.parametrize("stack", [False, True], ids=["layer", "stack"])
def test_decoder(config, stack, seed):
    rng = np.random.default_rng(seed)
    B, T, S, D = 3, 5, 7, config.d_model
    decoder = {"layers": config.decoder_layers, "causal": True, "cross_attention": True}
    ours = moved(our_layers(config, stack, rng, **decoder), rng)
    theirs = torch_decoder(config) if stack else torch_layer(nn.TransformerDecoderLayer, config)
    load(theirs, ours)
    x, memory = rng.standard_normal((B, T, D)), rng.standard_normal((B, S, D))
    dy, keep = rng.standard_normal((B, T, D)), padding(rng, B, S)

    y, cache = ours.forward(x, memory, memory_mask=keep[:, None, None, :])
    dx, dmemory = ours.backward(dy, cache)

    tx, tmemory = leaf(x), leaf(memory)
    expected = theirs(
        tx, tmemory, tgt_mask=not_causal(T), memory_key_padding_mask=torch.tensor(~keep)
    )
    expected.backward(torch.tensor(dy))
    assert_close("y", y, expected)
    assert_close("dx", dx, tx.grad)
    assert_close("dmemory", dmemory, tmemory.grad)
    assert_same_gradients(ours, theirs)


class Witness(nn.Module):
    """``nn.Transformer`` between the paper's embedding (section 3.4, 3.5) and its transpose."""

    def __init__(self, c: TransformerConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(c.vocab_size, c.d_model, c.padding_id, dtype=torch.float64)
        self.core = nn.Transformer(
            c.d_model,
            c.heads,
            custom_encoder=torch_encoder(c),
            custom_decoder=torch_decoder(c),
            batch_first=True,
        )

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        D = self.embedding.embedding_dim
        table = torch.zeros(ids.shape[1], D, dtype=torch.float64)
        for position in range(ids.shape[1]):
            for pair in range(0, D, 2):
                angle = position / 10_000 ** (pair / D)
                table[position, pair] = math.sin(angle)
                table[position, pair + 1] = math.cos(angle)
        return self.embedding(ids) * math.sqrt(D) + table

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        hidden = source == self.embedding.padding_idx
        y = self.core(
            self.embed(source),
            self.embed(target),
            tgt_mask=not_causal(target.shape[1]),
            src_key_padding_mask=hidden,
            memory_key_padding_mask=hidden,
        )
        return y @ self.embedding.weight.T


@every_seed
@every_config
def test_transformer(config, seed):
    rng = np.random.default_rng(seed)
    B, T, S = 3, 5, 7
    ours = moved(Transformer(config, rng=rng, dtype=np.float64), rng)
    theirs = Witness(config)
    load(theirs, ours)
    source = rng.integers(1, config.vocab_size, (B, S)) * padding(rng, B, S)
    target = rng.integers(1, config.vocab_size, (B, T)) * padding(rng, B, T)
    dlogits = rng.standard_normal((B, T, config.vocab_size))

    logits, cache = ours.forward(source, target)
    ours.backward(dlogits, cache)

    expected = theirs(torch.tensor(source), torch.tensor(target))
    expected.backward(torch.tensor(dlogits))
    assert_close("logits", logits, expected)
    assert_same_gradients(ours, theirs)
