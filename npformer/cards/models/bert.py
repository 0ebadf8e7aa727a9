"""The card of the encoder-only Transformer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.model_draws import draw_without_latents
from npformer.cards.models.transformer import no_lookup, no_projection
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import draw_ids, draw_lengths, draw_seed, draw_settings
from npformer.cards.module_invariants import gathers
from npformer.cards.strategies import Source, draw_rng
from npformer.models.bert import BERT, BERTConfig
from npformer.nn.module import Parameter

card = ModuleCard.of(BERT)
card.output = "BTV"
card.causal = lambda static: False
card.frozen = lambda case: {"embedding.weight": case.static["build"][0].padding_id}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """The whole model: ids in, logits out; padding on the right or on the left."""
    settings = draw_settings(source)
    settings["layers"] = settings["decoder_layers"]
    settings["d_model"] -= settings["d_model"] % settings["heads"]
    settings |= {
        "token_types": source.choice((2, 0)),
        "embedding_norm": source.choice((True, False)),
        "head_activation": source.choice(("gelu", "relu", "silu")),
        "head_bias": source.choice((True, False)),
    }
    settings |= draw_without_latents(source, settings) if source.choice((False, True)) else {}
    if settings["norm"] == "pre" and settings["embedding_norm"]:
        settings["first_norm"] = source.choice((True, False))
    names = {f.name for f in dataclasses.fields(BERTConfig)}
    c = BERTConfig(**{name: value for name, value in settings.items() if name in names})
    b, t, _ = draw_lengths(source)
    sizes = {"B": b, "T": t, "V": c.vocab_size, "D": c.d_model, "N": c.heads, "F": c.d_ff}
    sizes |= {"H": c.size_of_head, "the number of layers": c.layers}
    target = draw_ids(source, (b, t), c)
    if source.choice((False, True)):
        target = target[:, ::-1].copy()
    static = {"build": (c,), "target": target, "rng": draw_seed(source)}
    if c.token_types:
        static["types"] = draw_rng(source).integers(0, c.token_types, (b, t))
    return sizes, static


card.invariant("a second backward adds to the first", "gradient-replaced")(gathers)


@card.invariant("a text with more padding behind it has the same logits", "padding-attended")
def _padded(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    target, config = case.static["target"], case.static["build"][0]
    if target.shape[1] >= config.max_length or case.static["rng"] is not None:
        return
    more = {"target": np.pad(target, ((0, 0), (0, 1)), constant_values=config.padding_id)}
    if case.static.get("types") is not None:
        more["types"] = np.pad(case.static["types"], ((0, 0), (0, 1)))
    longer = Case(case.inputs, {**case.static, **more}, case.dy)
    shown = target != config.padding_id
    here, there = result["y"][shown], component.forward(longer)[:, :-1][shown]
    yield Finding(there, here, 2 * scales["y"][shown])


@card.wrong_method("gradient-replaced", "each gradient replaces what was there: of a tied weight's "
                   "two uses, the last counts", Parameter.accumulate)  # fmt: skip
def _replaced(self, gradient):
    self.grad = np.array(gradient)


card.wrong_method(
    "tied-without-lookup",
    "the tied weight gets the projection's gradient alone",
    BERT._embed_backward,
)(no_lookup)
card.wrong_method(
    "tied-without-projection",
    "the tied weight gets the look-ups' gradient alone",
    BERT._project_backward,
)(no_projection)


@card.wrong_method("types-frozen", "the loss never reaches the types' embedding",
                   BERT._states_backward)  # fmt: skip
def _frozen_types(self, dy, cache):
    embed = cache.embed._replace(types=None)
    self._states_backward(dy, cache._replace(embed=embed))


@card.wrong_method("types-without-the-norm", "the types' gradient does not go through the norm of "
                   "the sum", BERT._states_backward)  # fmt: skip
def _types_past_the_norm(self, dy, cache):
    if self.type_embedding is None or self.embedding_norm is None:
        return self._states_backward(dy, cache)
    dx = self.encoder.backward(dy, cache.encoder)
    self._embed_backward(dx, cache.embed.embed)
    self.type_embedding.backward(
        self.dropout.backward(dx, cache.embed.embed.dropout), cache.embed.types
    )


@card.wrong_method("head-past-its-activation", "the head's activation is not walked back",
                   BERT.backward)  # fmt: skip
def _no_activation(self, dlogits, cache):
    dh = self._project_backward(dlogits, cache.output)
    dh = self.head_norm.backward(dh, cache.norm)
    self._states_backward(self.head_dense.backward(dh, cache.dense), cache.states)


@card.wrong_method("head-skipped", "the gradient goes from the logits to the encoder, past the "
                   "head", BERT.backward)  # fmt: skip
def _no_head(self, dlogits, cache):
    self._states_backward(self._project_backward(dlogits, cache.output), cache.states)


@card.wrong_method("padding-attended", "padding is attended to", BERT._states)
def _padding(self, target, rng, types):
    x, embed = self._embed_types(target, rng, types)
    y, encoder = self.encoder.forward(x, rng=rng, at=self._places(target))
    _, cache = self._states(target, rng, types)
    return y, cache._replace(encoder=encoder, embed=embed)


@card.wrong_method("places-count-padding", "padding on the left moves a text along the table of "
                   "positions", BERT._embed)  # fmt: skip
def _absolute(self, ids, rng=None, at=0, stream="target", beside=None):
    return self._embed(ids, rng, 0, stream, beside)


@card.wrong_method("positions-frozen", "the loss never reaches the learned positions",
                   BERT._embed_backward)  # fmt: skip
def _frozen_positions(self, dx, cache, stream="target"):
    dx = self.dropout.backward(dx, cache.dropout)
    if self.embedding_norm is not None:
        dx = self.embedding_norm.backward(dx, cache.norm)
    self.embedding.backward(dx, cache.embedding)
    return dx
