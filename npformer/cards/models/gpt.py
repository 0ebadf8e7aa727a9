"""The card of the decoder-only Transformer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.model_draws import draw_later, draw_multipliers
from npformer.cards.models.transformer import no_lookup, no_projection
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import (
    draw_documents,
    draw_ids,
    draw_lengths,
    draw_seed,
    draw_settings,
)
from npformer.cards.module_invariants import adds_up, gathers
from npformer.cards.nn.multi_head_attention import not_causal
from npformer.cards.ordinary import OWN_FORWARD, only
from npformer.cards.strategies import Source, rarely
from npformer.models.gpt import GPT, GPTConfig
from npformer.models.looks_ahead import LooksAhead
from npformer.models.loss import NO_TARGET
from npformer.nn.module import Parameter
from npformer.nn.multi_head_attention import MultiHeadAttention
from npformer.nn.stack import Stack
from npformer.ops.softcap import softcap_backward, softcap_forward

card = ModuleCard.of(GPT)
card.output = "BTV"
card.frozen = lambda case: _frozen(case.static["build"][0])


def _frozen(config):
    """The row whose look-up has no gradient, where there is one."""
    padding = config.padding_id
    tables = ["embedding.weight"]
    tables += ["per_layer.table.weight"] * (config.per_layer_size is not None)
    tables += ["value_embedding.weight"] * (config.value_tables is not None)
    return {} if padding is None else dict.fromkeys(tables, padding)


def _other_values(settings: dict[str, Any]) -> bool:
    """Whether values are of a latent, of a state, or of another size in some layers."""
    sizes = ("latent_size", "delta_pattern", "global_head_size", "global_kv_heads")
    return any(settings.get(name) for name in sizes)


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """The whole model: ids in, logits out."""
    settings = draw_settings(source)
    settings["layers"] = settings["decoder_layers"]
    settings["d_model"] -= settings["d_model"] % settings["heads"]
    if source.choice((False, True)):
        settings |= draw_later(source, settings) | draw_multipliers(source)
        settings["delta_pattern"] = source.choice(("", "DA"))
        settings["parallel"] = source.choice((False, True))
        settings["layer_scalar"] = source.choice(("none", "learned"))
        if settings.get("window_pattern"):
            settings["global_head_size"] = source.choice((None, 8, 12))
            settings["global_kv_heads"] = source.choice((None, settings["heads"]))
        if settings.get("latent_size") is None and settings.get("window_pattern") != "":
            settings["value_norm"] = source.choice((False, True))
            settings["values_from_keys"] = source.choice((False, True))
    if rarely(source, 3):
        settings["predict_ahead"] = source.choice((1, 2))
        settings["predict_ahead_loss"] = source.choice((0.3, 1.5))
    elif settings["activation"] != "relu" and rarely(source, 3):
        settings["per_layer_size"] = source.choice((3, 2))
        settings["per_layer_vocab"] = source.choice((None, 4))
    elif settings["layers"] > 1 and not _other_values(settings) and rarely(source, 3):
        settings["value_tables"] = 1
    c = GPTConfig(**{f.name: settings[f.name] for f in dataclasses.fields(GPTConfig)
                     if f.name in settings})  # fmt: skip
    b, t, _ = draw_lengths(source)
    sizes = {"B": b, "T": t, "V": c.vocab_size, "D": c.d_model, "N": c.heads, "F": c.d_ff}
    sizes |= {"H": c.size_of_head, "the number of layers": c.layers}
    static = {"build": (c,), "target": draw_ids(source, (b, t), c), "rng": draw_seed(source)}
    static["documents"] = draw_documents(source, (b, t))
    if c.predict_ahead:
        targets = draw_ids(source, (b, t), c)
        static["targets"] = np.where(targets == c.padding_id, NO_TARGET, targets)
    return sizes, static


def asks(case: Case) -> bool:
    """Whether the losses of later tokens are in every entry of y."""
    return "targets" in case.static


def _call(model: Any, inputs: list[Any], keywords: dict[str, Any]) -> Any:
    """They are added to every entry of y, so that each has an upstream gradient."""
    y, cache = model.forward(*inputs, **keywords)
    if cache.ahead is None:
        return y, lambda dy: model.backward(dy, cache)

    def backward(dy):
        ahead = cache.ahead._replace(share=cache.ahead.share * dy.sum())
        return model.backward(dy, cache._replace(ahead=ahead))

    return y + np.asarray(cache.auxiliary.loss, y.dtype), backward


def _call_twin(model: Any, inputs: list[Any], keywords: dict[str, Any]) -> Any:
    y = model(*inputs, **keywords)
    return y[0] + y[1].loss if isinstance(y, tuple) else y


card.call, card.call_twin = _call, _call_twin
card.causal = lambda static: "targets" not in static
card.invariant("a second backward adds to the first", "gradient-replaced")(gathers)


@card.invariant("two parts of a batch add up to the whole", broken_by="mean-of-the-batch")
def _parts(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if not asks(case):
        yield from adds_up("target", "documents")(component, case, result, scales)


@card.invariant("capped logits are within the cap", broken_by="logits-not-capped")
def _within(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    cap = case.static["build"][0].logit_softcap
    if cap is not None and not asks(case):
        beyond = np.maximum(np.abs(result["y"].astype(np.float64)) - cap, 0.0)
        yield Finding(beyond, 0.0, cap)


@card.invariant("an output matrix has the product that dy and y have", "last-token-only")
def _output(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """y is linear in a matrix of its own, where no cap follows."""
    name = "output_proj.weight"
    capped = case.static["build"][0].logit_softcap is not None
    if name not in case.inputs or capped or asks(case):
        return
    documents = case.static["documents"]
    bias = case.inputs.get("output_proj.bias", np.zeros(1)).astype(np.float64)
    dy = case.dy if documents is None else case.dy * (documents > 0)[..., None]  # of no padding
    weight, y = case.inputs[name].astype(np.float64), result["y"].astype(np.float64) - bias
    gradient, size = result[f"grad {name}"], scales[f"grad {name}"]
    total = (size * np.abs(weight)).sum() + (scales["y"] * np.abs(dy)).sum()
    yield Finding((gradient * weight).sum(), (dy * y).sum(), total)


def _untied(case):
    config = case.static["build"][0]  # what looks ahead reads every matrix more than once
    return not config.tie_output and not config.predict_ahead


for _name, _text, _method, _function, _seen in (
    ("not-causal", "every token sees those after it", MultiHeadAttention.forward, not_causal,
     {"seen": "huggingface/transformers#48745", "smallest": "target (1, 2)",
      "missed_by": OWN_FORWARD}),
    ("tied-without-lookup", "the tied weight gets the projection's gradient alone",
     GPT._embed_backward, no_lookup, {}),
    ("tied-without-projection", "the tied weight gets the look-up's gradient alone",
     GPT._project_backward, no_projection,
     {"seen": "paiml/entrenar#314", "smallest": "target (1, 1)",
      "missed_by": only("an output matrix of its own", _untied)}),
):  # fmt: skip
    card.wrong_method(_name, _text, _method, **_seen)(_function)


@card.wrong_method("positions-frozen", "the loss never reaches the learned positions",
                   GPT._embed_backward)  # fmt: skip
def _frozen_positions(self, dx, cache, stream="target"):
    self.embedding.backward(self.dropout.backward(dx, cache.dropout), cache.embedding)


@card.wrong_method("last-token-only", "only the last token's logits send a gradient back, as "
                   "decoding needs them", GPT.backward)  # fmt: skip
def _last_token(self, dlogits, cache):
    dlogits = dlogits.copy()
    dlogits[:, :-1] = 0
    self.backward(dlogits, cache)


@card.wrong_method(
    "gradient-replaced",
    "each gradient replaces what was there: of a tied weight's two uses, the last counts",
    Parameter.accumulate,
    seen="NVIDIA/TransformerEngine#3552",
    smallest="target (1, 1)",
    missed_by=only("an output matrix of its own", _untied),
)
def _replaced(self, gradient):
    self.grad = np.array(gradient)


def _config(case):
    return case.static["build"][0]


def _uncapped(case):
    return _config(case).logit_softcap is None


@card.wrong_method(
    "logits-not-capped",
    "the loss is made of logits that are not held within the cap",
    softcap_forward,
    seen="apple/ml-cross-entropy#48",
    smallest="target (1, 1)",
    missed_by=only("no cap of the logits", _uncapped),
)
def _not_capped(x, *, cap):
    return x, softcap_forward(x, cap=cap)[1]


@card.wrong_method(
    "logits-times-tanh",
    "logits are multiplied by tanh(logits / cap), which holds nothing",
    softcap_forward,
    seen="unslothai/unsloth-zoo#593",
    smallest="target (1, 1)",
    missed_by=only("no cap of the logits", _uncapped),
)
def _times_tanh(x, *, cap):
    return x * np.tanh(x / cap), softcap_forward(x, cap=cap)[1]


@card.wrong_method("cap-without-slope", "the capped logits' gradient is handed on as it is",
                   softcap_backward)  # fmt: skip
def _no_slope(dy, cache):
    return dy


@card.wrong_method("embedding-scale-dropped", "the embedding's gradient lacks the factor by which "
                   "it was read", GPT._embed_backward)  # fmt: skip
def _no_scale(self, dx, cache, stream="target"):
    self._embed_backward(dx / self.embedding_scale, cache)


@card.wrong_method("every-layer-local", "global layers look through the window too", GPT.forward)
def _every_layer_local(self, *arguments, **options):
    with ExitStack() as stack:
        for layer in self.decoder.layers:
            stack.enter_context(altered(layer.self_attn, window=self.config.window))
        return self.forward(*arguments, **options)


@card.wrong_method("scale-of-local-heads", "scores of global layers, whose heads are wider, are "
                   "scaled as those of local ones", GPT.forward)  # fmt: skip
def _scale_of_local_heads(self, *arguments, **options):
    c = self.config
    with ExitStack() as stack:
        for layer in self.decoder.layers:
            if c.global_head_size is not None and c.attention_scale is None:
                stack.enter_context(altered(layer.self_attn, scale=c.size_of_head**-0.5))
        return self.forward(*arguments, **options)


@card.wrong_method("table-counts-through", "of several texts in a row, a later one's positions in "
                   "the table go on from the one before it", GPT._embed)  # fmt: skip
def _table_counts_through(self, ids, rng=None, at=0, **more):
    return self._embed(ids, rng, **more)


@card.wrong_method("texts-see-each-other", "padding alone is hidden, and a text sees those before "
                   "it in the row", Stack.forward)  # fmt: skip
def _see_each_other(self, x, memory=None, mask=None, *rest, **more):
    shown = None if mask is None else mask.any(axis=-2, keepdims=True)
    return self.forward(x, memory, shown, *rest, **more)


@card.wrong_method("padding-counts", "the logits of padding send a gradient back", GPT.backward)
def _padding_counts(self, dlogits, cache):
    self.backward(dlogits, cache._replace(shown=None))


@card.wrong_method("mean-of-the-batch", "the embedding's gradient is averaged over the sentences",
                   GPT._embed_backward)  # fmt: skip
def _mean(self, dx, cache, *stream):
    self._embed_backward(dx / max(len(dx), 1), cache, *stream)


@card.wrong_method("later-tokens-detached", "what the loss of a later token sends to the states "
                   "that are read for it is dropped", LooksAhead._look_ahead_backward)  # fmt: skip
def _later_detached(self, dloss, cache):
    return np.zeros_like(self._look_ahead_backward(dloss, cache))


@card.wrong_method("later-losses-summed", "the losses of later tokens are summed and not averaged "
                   "over how far they look", LooksAhead._look_ahead)  # fmt: skip
def _later_summed(self, h, *arguments, **more):
    weight = self.config.predict_ahead_loss
    with altered(self, config=_with(self.config, weight * len(self.ahead))):
        return self._look_ahead(h, *arguments, **more)


def _with(config, loss):
    return dataclasses.replace(config, predict_ahead_loss=loss)


@card.wrong_method("one-target-early", "a later token's loss asks for the token that it was given",
                   LooksAhead._look_ahead)  # fmt: skip
def _one_early(self, h, ids, targets, *arguments, **more):
    early = np.concatenate([targets[:, :1], targets[:, :-1]], axis=1)
    return self._look_ahead(h, ids, early, *arguments, **more)


@card.wrong_method("asked-across-texts", "the last tokens of a text are asked for the first "
                   "ones of the next", LooksAhead._look_ahead)  # fmt: skip
def _across(self, h, ids, targets, rng=None, *, documents=None, **more):
    one = None if documents is None else np.ones_like(documents)
    return self._look_ahead(h, ids, targets, rng, documents=one, **more)


@card.wrong_method("later-text-seen", "a layer that looks ahead sees the whole row",
                   LooksAhead._look_ahead)  # fmt: skip
def _later_text(self, h, ids, targets, rng=None, *, mask=None, **more):
    every = None if mask is None else np.ones_like(mask)
    return self._look_ahead(h, ids, targets, rng, mask=every, **more)
