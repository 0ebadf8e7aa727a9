"""Two implementations in lockstep: nothing in the right ones, and the one wrong step in others."""

from __future__ import annotations

import inspect
import io
import json
import sys
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from rich.console import Console

import npformer.nn.adapters
import torch_ref.nn.adapters
from npformer import nn
from npformer.errors import ShapeError, VerifyError
from npformer.models import Transformer
from npformer.models import transformer as transformer_file
from npformer.nn import feed_forward, layer_norm, multi_head_attention, residual
from npformer.nn import layer as layer_file
from npformer.ops.linear import linear_backward
from npformer.ops.masks import padding_mask
from npformer.verify import bisect
from npformer.verify.lockstep.plant import find_mutant, plant, sites
from npformer.verify.mutants import MUTANTS
from tests.verify.bisect_models import VARIANTS, make_batch, make_model, right
from torch_ref import ops
from torch_ref.bridge import to_torch
from torch_ref.models import twin_class

BATCH = make_batch()
ENGINES = ("numpy", "torch")


def make_twin(model):
    twin = twin_class(model.config)(model.config, dtype=torch.float64)
    to_torch(model.state_dict(), twin)
    return twin


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


def same_weights(module, original):
    module.load_state_dict(original.state_dict())
    return module


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("ours", ENGINES)
@pytest.mark.parametrize("reference", ENGINES)
def test_right_implementations_differ_by_rounding(variant, ours, reference):
    changes, seed = VARIANTS[variant]
    model = make_model(2, **changes)
    sides = {"numpy": model, "torch": make_twin(model)}
    batch = make_batch(model.config.padding_id, model.streams)
    found = bisect(sides[ours], sides[reference], batch, seed=seed, label_smoothing=0.1)
    assert found, str(found)
    assert found.findings == ()
    assert max(row.forward_local for row in found.growth) <= 4
    assert max(row.backward_local for row in found.growth) <= 4
    assert max(max(row.forward, row.backward) for row in found.growth) < 1e-10
    assert found.loss == pytest.approx(found.reference_loss, rel=1e-12)
    assert "None of" in str(found)


def test_float32_is_measured_in_its_own_rounding():
    model = make_model(2, np.float32)
    found = bisect(model, make_twin(make_model(2)), BATCH, seed=1)
    assert found, str(found)
    assert found.dtype == "float32"
    assert 0.1 < max(row.forward_local for row in found.growth) <= 4
    assert 1e-8 < max(row.forward for row in found.growth) < 1e-5


def test_a_gradient_of_another_dtype_is_found_in_float32():
    model = make_model(2, np.float32)
    path = "decoder.layers.1.feed_forward.linear2"
    with plant(MUTANTS["linear/double-out"], model, path):
        found = bisect(model, model, BATCH)
    assert found.gradient is not None
    assert found.gradient.path == path
    assert "comes in float64" in found.gradient.message


@pytest.mark.parametrize(
    ("name", "path", "method", "operation"),
    [
        ("attention/scale-forgotten", "self_attn", "attention", "the scale of the scores"),
        ("attention/causal-leak", "self_attn", "attention", "the mask"),
        ("attention/mask-after-softmax", "self_attn", "attention", "the softmax"),
        ("attention/softmax-diagonal", "cross_attn", "attention",
         "the softmax's backward, dscores"),
        ("attention/scale-missing-from-dk", "cross_attn", "attention", "the scale of dk"),
        ("attention/dv-from-uniform-weights", "cross_attn", "attention", "probs^T dy"),
        ("MultiHeadAttention/heads-not-permuted-back", "self_attn", "forward",
         "the merge of the heads' dq"),
        ("MultiHeadAttention/values-forgotten", "cross_attn", "forward",
         "the sum of the keys' and the values' gradients"),
        ("MultiHeadAttention/keys-forgotten", "self_attn", "forward",
         "the sum of the queries', the keys' and the values' gradients"),
        ("MultiHeadAttention/causal-ignored", "self_attn", "forward", "the causal mask"),
        ("Residual/skip-dropped", "self_attn_residual", "forward", "the skip path"),
        ("Residual/skip-doubled", "cross_attn_residual", "forward", "the skip path"),
        ("Residual/dropout-on-skip", "cross_attn_residual", "forward", "the skip path"),
        ("layer_norm/unbiased-variance", "cross_attn_residual.norm", "layer_norm",
         "the deviation, rstd"),
        ("layer_norm/bias-last-row", "cross_attn_residual.norm", "layer_norm",
         "the sum of dy over the rows"),
        ("dropout/gradient-unscaled", "self_attn_residual.dropout", "dropout",
         "the factor 1 / (1 - p)"),
        ("dropout/mask-inverted", "self_attn_residual.dropout", "dropout", "the mask"),
        ("linear/bias-dropped", "self_attn.q_proj", "linear", "the bias"),
        ("linear/swapped-factors", "feed_forward.linear1", "linear", "dy^T x"),
        ("relu/leaky", "feed_forward.activation", "relu", "its derivative"),
        ("FeedForward/activation-skipped", "feed_forward", "forward", "the call of activation"),
        ("Linear/bias-not-accumulated", "feed_forward.linear1", "forward",
         "what is added to the gradient of bias"),
        ("Layer/memory-gradient-lost", "", "forward", "the memory's gradient"),
    ],
)  # fmt: skip
def test_the_step_within_a_layer_has_a_name(name, path, method, operation):
    side = right("the paper's")
    layer = "decoder.layers.2"
    with plant(MUTANTS[name], side.model, f"{layer}.{path}".rstrip(".")) as loss:
        found = side.reference.judge(side.model, loss)
    first = found.findings[0]
    operations = {finding.operation for finding in found.findings}
    assert first.path == f"{layer}.{path}".rstrip(".")
    assert first.method == method
    assert operation in operations


@pytest.mark.parametrize(
    ("name", "path", "operation"),
    [
        ("Stack/memory-averaged", "decoder", "the sum of the memory's gradient over the layers"),
        ("Stack/mask-in-first-layer-only", "encoder", "the mask passed on"),
        ("Transformer/root-missing-from-gradient", "", "the factor sqrt(D)"),
        ("Transformer/tied-without-projection", "", "the call of embedding.project"),
        ("Transformer/gradient-replaced", "embedding.weight",
         "the sum of the gradients of its uses"),
        ("Transformer/root-on-projection", "", "the call of embedding.project"),
        ("Transformer/padding-attended", "", "the padding mask"),
        ("Transformer/source-embedding-frozen", "", "the call of _embed"),
        ("cross_entropy/mean-over-all-tokens", "loss", "the mean's divisor"),
        ("cross_entropy/divided-twice", "loss", "the mean's divisor"),
        ("cross_entropy/ignored-rows-trained", "loss", "the rows that are ignored"),
        ("embedding/repeats-lost", "embedding", "the sum over the places of a word"),
    ],
)  # fmt: skip
def test_the_step_outside_the_layers_has_a_name(name, path, operation):
    side = right("the paper's")
    with plant(MUTANTS[name], side.model, path) as loss:
        found = side.reference.judge(side.model, loss)
    assert found.findings[0].path == path.removesuffix(".weight")
    assert operation in {finding.operation for finding in found.findings}


def test_the_twin_as_reference_names_the_same():
    model = make_model(2)
    twin = make_twin(model)
    for name in (
        "linear/weight-averaged",
        "attention/finite-mask",
        "layer_norm/mean-term-dropped",
        "Layer/gradient-of-last-half",
        "Stack/memory-of-last-layer",
        "Transformer/tied-without-lookup",
        "cross_entropy/sign",
    ):
        path = sites(MUTANTS[name], model)[-1]
        with plant(MUTANTS[name], model, path) as loss:
            by = [
                bisect(model, right_side, BATCH, label_smoothing=0.1, loss=loss)
                for right_side in (model, twin)
            ]
        named = [{(f.path, f.phase, f.method, f.operation) for f in b.findings} for b in by]
        assert named[0] == named[1] != set(), name


def test_two_mistakes_are_both_named():
    model = make_model(2)
    one, other = "encoder.layers.0.self_attn", "decoder.layers.1.feed_forward.activation"
    with (
        plant(MUTANTS["attention/scale-forgotten"], model, one),
        plant(MUTANTS["relu/leaky"], model, other),
    ):
        found = bisect(model, model, BATCH)
    assert found.activation is not None
    assert found.gradient is not None
    assert found.activation.path == one
    assert found.gradient.path == other
    assert {f.path for f in found.findings} == {found.activation.path, found.gradient.path}


def test_the_error_grows_from_where_the_mistake_is():
    model = make_model(3)
    path = "encoder.layers.1.feed_forward"
    with plant(MUTANTS["layer_norm/unbiased-variance"], model, f"{path}_residual.norm"):
        growth = bisect(model, model, BATCH).growth
    rows = {(row.path, row.method): row for row in growth if row.number == 0}
    assert rows[path, "forward"].forward == 0.0
    assert rows["encoder.layers.1", "forward"].forward > 1e-3
    assert rows["encoder.layers.2", "forward"].forward > 1e-3
    assert rows["encoder.layers.2", "forward"].forward_within == 0.0
    assert rows["encoder.layers.1", "forward"].forward_local == 0.0
    assert rows["encoder.layers.1", "forward"].forward_within > 1e10


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
    assert "test_bisect.py:" in found.gradient.where


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
        ("**biased, causal=self.causal, at=at", "**biased, causal=False, at=at"),
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


class SetsIts(nn.Linear):
    """A module that writes to its gradients itself."""

    how, factor = "+=", 1.0

    def backward(self, dy, cache):
        dx, dweight, dbias = linear_backward(dy, cache)
        for parameter, gradient in ((self.weight, dweight), (self.bias, dbias)):
            if parameter.grad is None or self.how == "=":
                parameter.grad = self.factor * gradient
            else:
                parameter.grad += self.factor * gradient
        return dx


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("how", ["=", "+="])
@pytest.mark.parametrize("reference", ENGINES)
def test_a_module_that_sets_its_gradients_itself(monkeypatch, dtype, how, reference):
    model, right = make_model(1, dtype), make_model(1)
    monkeypatch.setattr(SetsIts, "how", how)
    path = "decoder.layers.0.self_attn.v_proj"
    dict(model.named_modules())[path].__class__ = SetsIts
    by = right if reference == "numpy" else make_twin(right)
    assert bisect(model, by, BATCH), str(bisect(model, by, BATCH))
    monkeypatch.setattr(SetsIts, "factor", 2.0)
    found = bisect(model, by, BATCH)
    wrong = [(f.path, f.result) for f in found.findings]
    assert wrong == [(path, "grad weight"), (path, "grad bias")], str(found)
    assert found.findings[0].operation == "what is added to the gradient of weight"


def test_a_reference_may_set_its_gradients_itself():
    model, reference = make_model(1), make_model(1)
    path = "decoder.layers.0.self_attn.k_proj"
    dict(reference.named_modules())[path].__class__ = SetsIts
    assert bisect(model, reference, BATCH), str(bisect(model, reference, BATCH))


def test_a_module_that_writes_to_anothers_gradient():
    class Meddles(nn.Linear):
        def backward(self, dy, cache):
            victim.grad = np.ones_like(victim.data)
            return super().backward(dy, cache)

    model = make_model(1)
    modules = dict(model.named_modules())
    victim = modules["decoder.layers.0.feed_forward.linear1"].weight
    modules["decoder.layers.0.self_attn.k_proj"].__class__ = Meddles
    found = bisect(model, make_model(1), BATCH)
    assert [f.path for f in found.findings] == ["decoder.layers.0.self_attn.k_proj"]
    assert "gradient of decoder.layers.0.feed_forward.linear1.weight" in found.findings[0].message


@pytest.mark.parametrize("ours", ENGINES)
@pytest.mark.parametrize("reference", ENGINES)
def test_frozen_parameters_are_no_mistake(ours, reference):
    """Half of them frozen, and adapters; on either side or both. They stay as they were."""
    half, model, adapted = make_model(1), make_model(1), make_model(1)
    twin, half_twin, adapted_twin = make_twin(model), make_twin(half), make_twin(model)
    for i, (path, parameter) in enumerate(half.named_parameters()):
        parameter.trainable = bool(i % 2)
        half_twin.get_parameter(path).requires_grad_(bool(i % 2))
    npformer.nn.adapters.add_adapters(adapted, 2, rng=np.random.default_rng(0))
    torch_ref.nn.adapters.add_adapters(adapted_twin, 2)
    for parameter in adapted.parameters():
        parameter.data += 0.1 * np.random.default_rng(1).standard_normal(parameter.data.shape)
    to_torch(adapted.state_dict(), adapted_twin)
    for sides in (
        ({"numpy": half, "torch": half_twin}, {"numpy": model, "torch": twin}),
        ({"numpy": model, "torch": twin}, {"numpy": half, "torch": half_twin}),
        ({"numpy": adapted, "torch": adapted_twin},) * 2,
    ):
        found = bisect(sides[0][ours], sides[1][reference], BATCH)
        assert found, str(found)
    assert [p.trainable for p in half.parameters()] == [
        p.requires_grad for p in half_twin.parameters()
    ]


def test_a_mistake_in_a_frozen_layer_is_found_in_what_it_sends_back():
    model = make_model(1)
    for parameter in model.parameters():
        parameter.trainable = False
    path = "decoder.layers.0.feed_forward.linear1"
    with plant(MUTANTS["linear/single-precision"], model, path):
        found = bisect(model, make_model(1), BATCH)
    assert {f.path for f in found.findings} == {path}


def test_both_models_are_left_as_they_were():
    model = make_model(1)
    twin = make_twin(model).train()
    for parameter in model.parameters():
        parameter.grad = np.ones_like(parameter.data)
    before = model.state_dict()
    vars_before = {path: dict(vars(m)) for path, m in model.named_modules()}
    bisect(model, twin, BATCH, seed=0)
    bisect(twin, model, BATCH, seed=0)
    assert all((p.grad == 1).all() for p in model.parameters())
    assert all(p.grad is None for p in twin.parameters())
    assert twin.training
    assert vars_before == {path: dict(vars(m)) for path, m in model.named_modules()}
    assert all(model.state_dict()[name] is array for name, array in before.items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in twin.modules())


def test_two_threads_at_once():
    models = [make_model(2), make_model(3, norm="pre")]
    paths = ["encoder.layers.1.self_attn", "decoder.layers.2.cross_attn"]
    names = ["attention/scale-forgotten", "attention/scale-missing-from-dk"]

    def find(index):
        model, found = models[index], []
        for reference in (model, make_twin(model)):
            with plant(MUTANTS[names[index]], model, paths[index]):
                found.append(bisect(model, reference, BATCH))
            found.append(bisect(make_twin(model), reference, BATCH))
        return found

    with ThreadPoolExecutor(2) as pool:
        for index, found in enumerate(pool.map(find, range(2))):
            assert [bool(one) for one in found] == [False, True, False, True]
            for one in found[::2]:
                assert {f.path for f in one.findings} == {paths[index]}


def test_the_result_as_text_table_and_json():
    side = right("the paper's")
    with plant(MUTANTS["attention/scale-twice"], side.model, "encoder.layers.4.self_attn"):
        found = side.reference.judge(side.model)
    assert not found
    text = str(found)
    assert "Every activation is what its inputs explain." in text
    assert "encoder.layers.4.self_attn, attention: the scale of dq" in text
    console = Console(file=io.StringIO(), width=100)
    console.print(found.table())
    shown = console.file.getvalue()
    assert "encoder.layers.5" in shown
    assert "  self_attn attention" in shown
    console.print(found.table(every_call=True))
    assert "encoder.layers.5.self_attn.q_proj linear" in console.file.getvalue()
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["findings"][0]["path"] == "encoder.layers.4.self_attn"
    assert len(plain["growth"]) == len(found.growth) == found.calls


def test_an_exception_of_the_implementation_is_placed():
    class Breaks(nn.FeedForward):
        def backward(self, dy, cache):
            raise RuntimeError("not written yet")

    model = make_model(1)
    model.decoder.layers[0].feed_forward.__class__ = Breaks
    said = r"stopped in decoder.layers.0.feed_forward, in the backward: RuntimeError: not written"
    with pytest.raises(VerifyError, match=said):
        bisect(model, make_model(1), BATCH)


@pytest.mark.parametrize(
    ("ours", "error", "said"),
    [
        (lambda: Transformer, VerifyError, "ours is the class Transformer itself"),
        (lambda: [1], VerifyError, "ours is a list without named_modules"),
        (lambda: make_model(2), ShapeError, "ours has a parameter 'encoder.layers.1"),
        (lambda: make_model(1, d_ff=6), ShapeError, "has shape"),
        (lambda: make_model(1, tie_output=False), ShapeError, "'output_proj.weight'"),
    ],
    ids=["a class", "a list", "more layers", "wider", "untied"],
)
def test_what_is_no_pair_of_models_is_refused(ours, error, said):
    with pytest.raises(error, match=said):
        bisect(ours(), make_model(1), BATCH)


def test_mutants_and_places_that_do_not_exist():
    model = make_model(1)

    def with_mutant(name, path):
        with plant(MUTANTS[name], model, path):
            pass

    with pytest.raises(VerifyError, match="does not exist; .* did you mean 'relu/leaky'"):
        find_mutant("relu/leeky")
    with pytest.raises(VerifyError, match="which does not exist; did you mean 'decoder.layers.0"):
        with_mutant("relu/leaky", "decoder.layers.0.feedforward.activation")
    with pytest.raises(VerifyError, match="which is no place for it"):
        with_mutant("relu/leaky", "decoder.layers.0")
    with pytest.raises(
        VerifyError, match="no place in this model; choose one of those of .*linear"
    ):
        with_mutant("softmax/zero", "decoder.layers.0")
