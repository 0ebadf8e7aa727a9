"""Whether a model says of itself that it is causal, where its outputs do not show it.

A decoder whose mask was forgotten depends on later tokens as an encoder does. What it is meant to
be is then said by its attributes, the names of its classes, what it can do and what it returns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from npformer.verify.models.question import Question

CAUSAL = ("causal", "is_causal", "autoregressive", "is_autoregressive", "unidirectional")
"""Attributes of a module or of its configuration: an encoder inside may say False."""
BIDIRECTIONAL = ("bidirectional", "is_bidirectional")
DECODES = ("is_decoder",)
"""True says as much; False is what many a configuration says without being asked."""
DECODER_WORDS = {"decoder", "gpt", "lm", "causal", "autoregressive", "autoregressor", "generator"}
ENCODER_WORDS = {"encoder", "classifier", "vit"}
MASKED_WORDS = {"masked", "mlm", "bidirectional", "bert"}
GENERATES = ("generate", "greedy", "beam_search", "decode_step")
"""Methods of a model that writes text."""
MASKS = ("tgt_mask", "attn_mask", "tgt_is_causal", "is_causal", "causal", "attention_bias")
"""Arguments by which a caller hides what is later."""


class Claim(NamedTuple):
    """One thing that a model says of itself."""

    causal: bool
    says: str
    """To follow "it"."""


class Claims(NamedTuple):
    """All that a model says of itself."""

    tiers: tuple[list[Claim], ...]
    """By attributes; by names; by what it can do. The first that says anything decides."""
    by_argument: str | None
    """The argument by which the caller could have hidden what is later, and did not."""
    scores_tokens: bool
    """Whether ids go in, and as many scores as there are ids come out."""


def claims(q: Question) -> Claims:
    """What the attributes, names, methods and outputs of a model say."""
    attributes: list[Claim] = []
    able: list[Claim] = []
    for name, value in _booleans(q):
        causal = value if name not in BIDIRECTIONAL else not value
        tier = able if name in DECODES and not value else attributes
        tier.append(Claim(causal, f"says {name}={value}"))
    if any(claim.causal for claim in attributes):  # an encoder inside a decoder says that it is not
        attributes = [claim for claim in attributes if claim.causal]
    if q.step is not None:
        able.append(Claim(True, "has a cached step"))
    able += [Claim(True, f"has {n}()") for n in GENERATES if _method(q.subject.module, n)]
    scores = _scores_tokens(q)
    if scores and q.streams.others:
        able.append(Claim(True, "reads another stream and scores every token of its own"))
    argument = next((name for name in MASKS if q.subject.takes(name)), None)
    return Claims((attributes, _named(q), able), argument, scores)


def _booleans(q: Question) -> Iterator[tuple[str, bool]]:
    """Attributes of every module and configuration, once each."""
    seen = set()
    for _, module in q.subject.modules():
        for holder in (module, getattr(module, "config", None)):
            for name in (*CAUSAL, *BIDIRECTIONAL, *DECODES):
                value = getattr(holder, name, None)
                if isinstance(value, bool) and (name, value) not in seen:
                    seen.add((name, value))
                    yield name, value


def _named(q: Question) -> list[Claim]:
    """Of the outermost class whose name says something.

    Where one stream goes in, an encoder's name says that it is none; PyTorch's own encoder layers
    do not, as many a decoder is made of them.
    """
    for path, module in q.subject.modules():
        name = type(module).__name__
        words = {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]+", name)}
        decoder, encoder = bool(words & DECODER_WORDS), bool(words & ENCODER_WORDS)
        own = not type(module).__module__.startswith("torch.nn")
        if words & MASKED_WORDS:
            return [Claim(False, f"is called {name}")]
        if decoder and not encoder:
            return [Claim(True, f"is called {name}" if not path else f"has a {name}")]
        if encoder and not decoder and not q.streams.others and (own or not path):
            return [Claim(False, f"is called {name}" if not path else f"has a {name}")]
    return []


def _method(module: Any, name: str) -> bool:
    return callable(getattr(module, name, None))


def _scores_tokens(q: Question) -> bool:
    stream = q.streams.stream(q.target)
    if not stream.discrete:
        return False
    y = q.run(q.draw(1, max(q.lengths[:2]))).y
    return y.ndim == 3 and y.shape[-1] >= stream.vocabulary
