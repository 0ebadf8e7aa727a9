"""The card of the encoder-decoder Transformer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.model_draws import draw_without_latents
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import draw_ids, draw_lengths, draw_seed, draw_settings
from npformer.cards.module_invariants import gathers
from npformer.cards.strategies import Source, rarely
from npformer.models.rotary_config import TURNING
from npformer.models.transformer import TABLES, Transformer, TransformerConfig
from npformer.nn.module import Parameter
from npformer.ops.linear import linear_backward, linear_forward
from npformer.ops.masks import padding_mask

card = ModuleCard.of(Transformer)
card.output = "BTV"
card.frozen = lambda case: {
    f"{name}.weight": case.static["build"][0].padding_id
    for name in ("embedding", "source_embedding")
    if f"{name}.weight" in case.inputs and not case.static["build"][0].padding_gradient
}
card.passes = {
    ("forward", "x", "positions"): "the factor sqrt(D)",
    ("forward", "mask", "encoder"): "the padding mask",
    ("forward", "memory_mask", "decoder"): "the padding mask",
    ("backward", "dy", "encoder"): "the memory's gradient",
    ("backward", "dy", "embedding"): "the factor sqrt(D)",
}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """The whole model: ids in, logits out."""
    settings, own = draw_settings(source), dict[str, Any]()
    if rarely(source, 3):
        own = {"share_embeddings": False, "source_vocab_size": source.choice((None, 5))}
    if rarely(source, 2):
        own |= _later(source, settings)
    c = TransformerConfig(**{**settings, **own})
    b, t, s = draw_lengths(source)
    static = {
        "build": (c,),
        "source": draw_ids(source, (b, s), c, c.source_size),
        "target": draw_ids(source, (b, t), c),
        "rng": draw_seed(source),
    }
    sizes = {"B": b, "T": t, "V": c.vocab_size, "D": c.d_model, "N": c.heads, "F": c.d_ff}
    return {**sizes, "H": c.head_k, "the number of layers": c.decoder_layers}, static


def _later(source: Source, settings: dict[str, Any]) -> dict[str, Any]:
    """What came after 2017."""
    found = draw_without_latents(source, settings | {"d_model": 4 * settings["heads"]})
    for name in ("logit_softcap", "head_size"):
        found.pop(name)
    size = settings["d_k"] or settings["d_model"] // settings["heads"]
    if size != 4 and found.get("positions") in TURNING:
        found = {name: value for name, value in found.items() if not name.startswith("rotary_")}
        found["positions"] = "t5"
    positions = found.get("positions", settings["positions"])
    if positions in TABLES:
        found["first_position"] = source.choice((0, 2))
    if positions == "learned":
        found["share_positions"] = source.choice((True, False))
    return {
        **found,
        "embedding_norm": source.choice((False, True)),
        "last_norm": source.choice((None, True, False)),
        "scale_output": source.choice((False, True)),
        "padding_gradient": source.choice((False, True)),
    }


def _to_the_sum(self, dx, cache, stream):
    """The gradient of the sum of embeddings and positions."""
    parts = self.entrance(stream)
    dx = self.dropout.backward(dx, cache.dropout)
    if parts.norm is not None:
        dx = parts.norm.backward(dx, cache.norm)
    return parts.positions.backward(dx, cache.positions)


card.invariant("a second backward adds to the first", "gradient-replaced")(gathers)


@card.invariant("a source with more padding is the same source", broken_by="padding-attended")
def _padded(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    source, config = case.static["source"], case.static["build"][0]
    if source.shape[1] >= config.max_length or case.static["rng"] is not None:
        return
    more = np.pad(source, ((0, 0), (0, 1)), constant_values=config.padding_id)
    longer = Case(case.inputs, {**case.static, "source": more}, case.dy)
    yield Finding(component.forward(longer), result["y"], 2 * scales["y"])


@card.wrong_method("tied-without-lookup", "the tied weight gets the projection's gradient alone",
                   Transformer._embed_backward)  # fmt: skip
def no_lookup(self, dx, cache, stream="target"):
    """The embedding gets nothing from the ids."""
    return _to_the_sum(self, dx, cache, stream)


@card.wrong_method("tied-without-projection", "the tied weight gets the look-ups' gradients alone",
                   Transformer._project_backward)  # fmt: skip
def no_projection(self, dlogits, cache):
    """The embedding gets nothing from the logits."""
    if self.output_proj is not None:
        return self.output_proj.backward(dlogits, cache)
    dx, _, dbias = linear_backward(dlogits, cache)
    if dbias is not None:
        self.embedding.bias.accumulate(dbias)
    return dx


@card.wrong_method("gradient-replaced", "each gradient replaces what was there: of three uses, "
                   "the last counts", Parameter.accumulate)  # fmt: skip
def _replaced(self, gradient):
    self.grad = np.array(gradient)


@card.wrong_method("root-missing-from-gradient", "the embedding's gradient lacks sqrt(d_model)",
                   Transformer._embed_backward)  # fmt: skip
def _no_root(self, dx, cache, stream="target"):
    dx = _to_the_sum(self, dx, cache, stream)
    self.entrance(stream).embedding.backward(dx, cache.embedding)
    return dx


@card.wrong_method("root-on-projection", "sqrt(d_model) multiplies the tied projection too",
                   Transformer._project)  # fmt: skip
def _root_on_projection(self, y):
    if self.output_proj is not None:
        return self.output_proj.forward(y)
    bias = None if self.embedding.bias is None else self.embedding.bias.data
    return linear_forward(y, self.embedding.weight.data * math.sqrt(self.config.d_model), bias)


@card.wrong_method("source-embedding-frozen", "the loss never reaches the source's embedding",
                   Transformer.backward)  # fmt: skip
def _frozen_source(self, dlogits, cache):
    dy = self._project_backward(dlogits, cache.output) * self.output_scale
    dy, dmemory = self.decoder.backward(dy, cache.decoder)
    self._embed_backward(dy, cache.embed_target)
    self.encoder.backward(dmemory, cache.encoder)


@card.wrong_method("source-embedding-of-target", "a source's embedding of its own gets its "
                   "gradient into the target's", Transformer._embed_backward)  # fmt: skip
def _source_into_target(self, dx, cache, stream="target"):
    if stream == "target" or self.source_embedding is None:
        return self._embed_backward(dx, cache, stream)
    entries = len(self.embedding.weight.data)  # as many as the source's, or more
    cache = cache._replace(embedding=cache.embedding._replace(entries=entries))
    with altered(self, source_embedding=None):
        return self._embed_backward(dx, cache, stream)


@card.wrong_method("padding-attended", "the source's padding is attended to", Transformer.forward)
def _padding(self, source, target, rng=None):
    hidden = padding_mask(source, self.config.padding_id)
    with np.errstate(all="ignore"):
        y, cache = self.forward(source, target, rng)
    if hidden.all() or not y.size:
        return y, cache
    with altered(self, config=_Unpadded(self.config)):
        return self.forward(source, target, rng)


class _Unpadded:
    """A configuration in which no id is padding."""

    def __init__(self, config):
        self._config = config
        self.padding_id = -1

    def __getattr__(self, name):
        return getattr(self._config, name)
