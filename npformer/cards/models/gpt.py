"""The card of the decoder-only Transformer."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from npformer.cards.models.transformer import no_lookup, no_projection
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import draw_ids, draw_lengths, draw_seed, draw_settings
from npformer.cards.nn.multi_head_attention import not_causal
from npformer.cards.ordinary import OWN_FORWARD, only
from npformer.cards.strategies import Source
from npformer.models.gpt import GPT, GPTConfig
from npformer.nn.module import Parameter
from npformer.nn.multi_head_attention import MultiHeadAttention

card = ModuleCard.of(GPT)
card.output = "BTV"
card.frozen = lambda case: {"embedding.weight": case.static["build"][0].padding_id}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """The whole model: ids in, logits out."""
    settings = draw_settings(source)
    settings["layers"] = settings["decoder_layers"]
    settings["d_model"] -= settings["d_model"] % settings["heads"]
    c = GPTConfig(**{f.name: settings[f.name] for f in dataclasses.fields(GPTConfig)
                     if f.name in settings})  # fmt: skip
    b, t, _ = draw_lengths(source)
    sizes = {"B": b, "T": t, "V": c.vocab_size, "D": c.d_model, "N": c.heads, "F": c.d_ff}
    sizes |= {"H": c.d_model // c.heads, "the number of layers": c.layers}
    static = {"build": (c,), "target": draw_ids(source, (b, t), c), "rng": draw_seed(source)}
    return sizes, static


def _untied(case):
    return not case.static["build"][0].tie_output


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
def _frozen_positions(self, dx, cache):
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
