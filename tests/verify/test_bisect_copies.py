"""A user's own model in lockstep: a subclass, a copied and edited file, a modified twin."""

from __future__ import annotations

import inspect
import sys
import types

import numpy as np
import pytest

import torch_ref.nn
from npformer.models import Transformer
from npformer.models import transformer as transformer_file
from npformer.nn import feed_forward, layer_norm, multi_head_attention, residual
from npformer.nn import layer as layer_file
from npformer.ops.masks import padding_mask
from npformer.verify import bisect
from tests.verify.bisect_models import make_batch, make_model, make_twin, same_weights
from torch_ref import ops

BATCH = make_batch()


def edited(module, name, *replacements):
    """A user's copy of a file of the package, with some text of it replaced."""
    source = inspect.getsource(module)
    for old, new in replacements:
        assert source.count(old) >= 1, old
        source = source.replace(old, new)
    copy = types.ModuleType(name)
    sys.modules[name] = copy
    exec(compile(source, f"{name}.py", "exec"), copy.__dict__)
    return copy


@pytest.fixture
def copied():
    """``edited``, forgotten after the test."""
    before = set(sys.modules)
    yield edited
    for name in set(sys.modules) - before:
        if name.startswith("my_"):
            del sys.modules[name]


def test_a_subclass_of_the_model():
    class Mine(Transformer):
        def _embed_backward(self, dx, cache, stream="target"):
            dx = self.positions.backward(self.dropout.backward(dx, cache.dropout), cache.positions)
            self.embedding.backward(dx, cache.embedding)

    model = make_model(1)
    mine = same_weights(Mine(model.config, rng=np.random.default_rng(0), dtype=np.float64), model)
    found = bisect(mine, make_twin(model), BATCH)
    assert found.activation is None
    assert found.gradient is not None
    assert found.gradient.method == "_embed"
    assert found.gradient.operation == "the factor sqrt(D)"
    assert "test_bisect_copies.py:" in found.gradient.where


def test_a_copied_and_edited_layer(copied):
    mine = copied(residual, "my_residual", ("dx = dsum + dh", "dx = dsum"))
    model = make_model(2)
    own = make_model(2)
    layer, config = own.decoder.layers[1], model.config
    new = mine.Residual(config.d_model, config.dropout, dtype=np.float64)
    layer.cross_attn_residual = same_weights(new, layer.cross_attn_residual)
    for reference in (model, make_twin(model)):
        found = bisect(own, reference, BATCH)
        assert [f.path for f in found.findings] == ["decoder.layers.1.cross_attn_residual"]
        assert found.findings[0].operation == "the branch"
        assert "my_residual.py:" in found.findings[0].where


def test_what_a_layer_hands_to_a_sublayer_is_its_own(copied):
    edits = (
        ("self.cross_attn.forward(h, memory, memory_mask)",
         "self.cross_attn.forward(h, memory, None)"),
        ("**more, causal=self.causal, at=at", "**more, causal=False, at=at"),
    )  # fmt: skip
    for edit, operation in zip(edits, ("the mask passed on", "the causal mask"), strict=True):
        mine = copied(layer_file, "my_layer", edit)
        model, own = make_model(2), make_model(2)
        config = dict(causal=True, cross_attention=True, rng=np.random.default_rng(0))
        new = mine.Layer(4, 2, 5, dropout=0.25, dtype=np.float64, **config)
        own.decoder.layers[1] = same_weights(new, own.decoder.layers[1])
        for reference in (model, make_twin(model)):
            found = bisect(own, reference, BATCH)
            assert {f.path for f in found.findings} == {"decoder.layers.1"}
            assert found.findings[0].operation == operation
            assert "my_layer.py:" in found.findings[0].where


def test_a_copied_module_with_an_op_of_its_own(copied):
    own_op = """
def layer_norm_forward(rows, gain, shift, *, eps=1e-5):
    mean = rows.mean(-1, keepdims=True)
    rstd = 1 / np.sqrt(((rows - mean) ** 2).mean(-1, keepdims=True) + eps)
    return (rows - mean) * rstd * gain + shift, LayerNormCache((rows - mean) * rstd, rstd, gain)

class LayerNorm(Module):"""
    mine = copied(layer_norm, "my_layer_norm", ("class LayerNorm(Module):", own_op))
    model, own = make_model(1), make_model(1)
    norm = same_weights(
        mine.LayerNorm(4, dtype=np.float64), own.encoder.layers[0].self_attn_residual.norm
    )
    own.encoder.layers[0].self_attn_residual.norm = norm
    assert bisect(own, model, BATCH)
    norm.eps = 1e-3
    found = bisect(own, model, BATCH)
    assert {f.path for f in found.findings} == {"encoder.layers.0.self_attn_residual.norm"}


def test_an_op_that_is_not_seen_is_judged_with_its_module(copied):
    plain = (
        ("\n\nclass MultiHeadAttentionCache",
         "\n\nflash, flash_back = attention_forward.__wrapped__, attention_backward.__wrapped__"
         "\n\nclass MultiHeadAttentionCache"),
        ("= attention_forward if", "= flash if"),
        ("attention_backward(self", "flash_back(self"),
    )  # fmt: skip
    model = make_model(1)
    for wrong in (False, True):
        scale = [("**settings)", "**{**settings, 'scale': 1.0})")] * wrong
        mine = copied(multi_head_attention, "my_attention", *plain, *scale)
        own = make_model(1)
        new = mine.MultiHeadAttention(4, 2, rng=np.random.default_rng(0), dtype=np.float64)
        own.decoder.layers[0].cross_attn = same_weights(new, own.decoder.layers[0].cross_attn)
        for reference in (model, make_twin(model)):
            found = bisect(own, reference, BATCH)
            wanted = {"decoder.layers.0.cross_attn"} if wrong else set()
            assert {f.path for f in found.findings} == wanted
            if wrong:
                assert found.activation is not None
                assert found.activation.operation == "the call of attention"
                assert "it never calls attention" in str(found)


def test_an_op_under_a_name_of_its_own_is_seen(copied):
    renamed = (
        ("attention_backward, attention_forward",
         "attention_backward as flash_back, attention_forward as flash"),
        ("= attention_forward if", "= flash if"),
        ("attention_backward(self", "flash_back(self"),
        ("causal=causal, **settings)", "causal=causal, **{**settings, 'scale': 1.0})"),
    )  # fmt: skip
    mine = copied(multi_head_attention, "my_attention", *renamed)
    model, own = make_model(1), make_model(1)
    new = mine.MultiHeadAttention(4, 2, rng=np.random.default_rng(0), dtype=np.float64)
    own.decoder.layers[0].cross_attn = same_weights(new, own.decoder.layers[0].cross_attn)
    for reference in (model, make_twin(model)):
        found = bisect(own, reference, BATCH)
        assert found.activation is not None
        assert found.activation.path == "decoder.layers.0.cross_attn"
        assert found.activation.operation == "the scale of the scores"


class Inlined(Transformer):
    """Without the helper methods of the original."""

    root = 2.0

    def forward(self, source, target, rng=None):
        mask = padding_mask(source, self.config.padding_id)
        x, source_cache = self.embedding.forward(source)
        x, source_drop = self.dropout.forward(self.positions.forward(x * 2.0)[0], rng)
        memory, encoder = self.encoder.forward(x, mask=mask, rng=rng)
        y, target_cache = self.embedding.forward(target)
        y, target_drop = self.dropout.forward(self.positions.forward(y * 2.0)[0], rng)
        y, decoder = self.decoder.forward(y, memory, memory_mask=mask, rng=rng)
        logits = y @ self.embedding.weight.data.T
        caches = source_cache, source_drop, encoder, target_cache, target_drop, decoder, y
        return logits, caches

    def backward(self, dlogits, cache):
        source_cache, source_drop, encoder, target_cache, target_drop, decoder, y = cache
        self.embedding.weight.accumulate(np.einsum("btv,btd->vd", dlogits, y))
        dy, dmemory = self.decoder.backward(dlogits @ self.embedding.weight.data, decoder)
        self.embedding.backward(self.dropout.backward(dy, target_drop) * self.root, target_cache)
        dx = self.encoder.backward(dmemory, encoder)
        self.embedding.backward(self.dropout.backward(dx, source_drop) * self.root, source_cache)


def test_a_model_without_the_originals_helpers():
    model = make_model(1)
    own = Inlined(model.config, rng=np.random.default_rng(0), dtype=np.float64)
    same_weights(own, model)
    for reference in (model, make_twin(model)):
        own.root = 2.0  # sqrt(4)
        found = bisect(own, reference, BATCH, seed=5)
        assert found, str(found)
        own.root = 1.0
        found = bisect(own, reference, BATCH, seed=5)
        assert found.activation is None
        assert {(f.path, f.receiver) for f in found.findings} == {("", "embedding")}


def test_a_copied_feed_forward_without_its_activation(copied):
    mine = copied(
        feed_forward, "my_feed_forward",
        ("dh = self.activation.backward(dh, cache.activation)\n", "pass\n"),
    )  # fmt: skip
    model, own = make_model(2), make_model(2)
    new = mine.FeedForward(4, 5, "relu", rng=np.random.default_rng(0), dtype=np.float64)
    own.encoder.layers[1].feed_forward = same_weights(new, own.encoder.layers[1].feed_forward)
    for reference in (model, make_twin(model)):
        found = bisect(own, reference, BATCH)
        assert {f.path for f in found.findings} == {"encoder.layers.1.feed_forward"}
        assert "never runs the backward of activation" in str(found)


def test_a_whole_copied_model_file(copied):
    mine = copied(
        transformer_file, "my_transformer",
        ("self.embedding_scale = math.sqrt(c.d_model)", "self.embedding_scale = c.d_model"),
    )  # fmt: skip
    model = make_model(1)
    own = mine.Transformer(model.config, rng=np.random.default_rng(0), dtype=np.float64)
    found = bisect(same_weights(own, model), model, BATCH)
    assert found.activation is not None
    assert found.activation.operation == "the factor sqrt(D)"
    assert [f.phase for f in found.findings] == ["forward"] * 2 + ["backward"] * 2


def test_a_modified_twin():
    class Unscaled(torch_ref.nn.MultiHeadAttention):
        def forward(self, x, memory=None, mask=None, *, causal=False, at=None, kept=None):
            q = self.q_proj(x).unflatten(2, (self.heads, -1))
            k, v = self.keys_values(x if memory is None else memory)
            y = ops.attention(q, k, v, mask, causal=causal, scale=1.0)
            return self.out_proj(y.flatten(2))

    class Detached(torch_ref.nn.Stack):
        def forward(self, x, memory=None, mask=None, memory_mask=None, rng=None):
            for layer in self.layers[:-1]:
                x = layer(x, memory.detach(), mask, memory_mask, rng)
            return self.layers[-1](x, memory, mask, memory_mask, rng)

    model = make_model(2)
    own = make_twin(model)
    own.encoder.layers[1].self_attn.__class__ = Unscaled
    for reference in (model, make_twin(model)):
        found = bisect(own, reference, BATCH)
        assert found.activation is not None
        assert found.activation.path == "encoder.layers.1.self_attn"
        assert found.activation.operation == "the scale of the scores"

    own = make_twin(model)
    own.decoder.__class__ = Detached
    for reference in (model, make_twin(model)):
        found = bisect(own, reference, BATCH)
        assert found.activation is None
        assert [f.path for f in found.findings] == ["decoder"]
        assert found.findings[0].result == "dmemory"


def test_a_twin_that_multiplies_by_hand_is_judged_by_the_sum_of_its_gradients():
    class ByHand(torch_ref.nn.Linear):
        def forward(self, x):
            return x @ self.weight.T + self.bias

    class Doubled(torch_ref.nn.Linear):
        def forward(self, x):
            weight = 2 * self.weight - self.weight.detach()
            return x @ weight.T + self.bias

    model = make_model(1)
    own = make_twin(model)
    path = "encoder.layers.0.feed_forward.linear1"
    for cls, wrong in ((ByHand, False), (Doubled, True)):
        own.get_submodule(path).__class__ = cls
        found = bisect(own, model, BATCH)
        reached = {f.path for f in found.findings if f.result != "call"}
        assert (path in reached) == wrong, str(found)
