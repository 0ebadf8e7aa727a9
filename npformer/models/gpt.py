r"""A decoder-only Transformer, as GPT-2 is one (Radford et al., 2019), and what came after it.

Shapes      target (B, T) token ids    logits (B, T, V)

Forward     x      = dropout(embedding(target) + positions)       positions are learned
            y      = decoder(x)                                   causal, pre-norm
            logits = y @ embedding.weight.T                       tied

            The settings change each of these lines: positions that turn queries and keys in every
            layer, and add nothing here; norms, gates, heads that share keys, windows (see
            ``attention_config.py``); a scaled embedding; logits held within a cap.

            A row may hold several texts one after the other, and padding wherever it stands. Each
            text is then what it would be alone: it sees itself, and its positions begin with 0.

Backward    The same three lines from the last to the first. The embedding matrix collects two
            gradients, as the output projection and by the ids.

Chapter     walkthroughs/09_whole_model.md
Chapter     walkthroughs/22_decoder_only.md
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ShapeError
from npformer.fields import check
from npformer.models.decoder_state import DecoderState
from npformer.models.looks_ahead import AheadCache, LooksAhead
from npformer.models.loss import NO_TARGET
from npformer.models.model import EmbedCache, Model
from npformer.models.multiplier_config import MultiplierConfig
from npformer.models.per_layer_config import PerLayerConfig
from npformer.models.stack_config import Activation, Placement, PositionKind
from npformer.models.streams_config import StreamsConfig
from npformer.models.value_config import ValueConfig
from npformer.nn import Dropout, Embedding, Linear, MultiTokenPrediction, Stack
from npformer.nn.init import redraw_matrices
from npformer.nn.mixture_of_experts import Auxiliary, summed
from npformer.nn.module import Array
from npformer.nn.per_layer_embedding import PerLayerEmbedding, PerLayerEmbeddingCache
from npformer.nn.positions import make_positions
from npformer.nn.stack import StackCache
from npformer.nn.widths import scale_branches, scale_hidden
from npformer.ops.embedding import EmbeddingCache
from npformer.ops.linear import LinearCache
from npformer.ops.masks import (
    check_documents,
    document_positions,
    documents_mask,
    first_tokens,
)
from npformer.ops.softcap import SoftcapCache, softcap_backward, softcap_forward


@dataclass(frozen=True, kw_only=True)
class GPTConfig(PerLayerConfig, StreamsConfig, MultiplierConfig, ValueConfig):
    """The shape of a decoder-only Transformer; the defaults are GPT-2's smallest."""

    family: Literal["gpt"] = "gpt"
    vocab_size: int = 50_257
    d_model: int = 768
    max_length: int = 1024
    heads: int = 12
    d_ff: int = 3072
    norm: Placement = "pre"
    activation: Activation = "gelu_tanh"
    positions: PositionKind = "learned"
    """Added to the embedding; turning queries and keys; a bias of the scores, for t5 one that each
    layer learns; or none, for causal attention alone tells an order too."""
    init_std: float | None = 0.02
    layers: int = 12
    """Layers of the stack."""
    parallel: bool = False
    """Attention and feed-forward network of a layer read one norm and are added together (GPT-J,
    Cohere, Phi)."""
    scale_embedding: bool = False
    """Multiply the embedding by sqrt(d_model) where it is read."""
    logit_softcap: float | None = None
    """Logits are held within this much of 0, by tanh."""
    scale_branches: bool = False
    """Begin with the last matrix of every branch divided by sqrt(2 layers), as GPT-2 does."""

    mup_base_width: int | None = None
    """Take the learning rate and init_std of a model of this width, by muP (arXiv:2203.03466)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_base()
        check(
            self.per_layer_size is None or not self.predict_ahead,
            f"per_layer_size is {self.per_layer_size} and predict_ahead {self.predict_ahead}; a "
            "layer beside the stack has no row of its own: leave one out",
        )
        check(self.layers >= 1, f"layers is {self.layers}; it must be 1 or more")
        cap = self.logit_softcap
        check(cap is None or cap > 0, f"logit_softcap is {cap}; it must be > 0, or not given")

    def stack_settings(self, layers: int) -> dict[str, Any]:
        """As of a stack whose layers have one sub-layer after the other."""
        return super().stack_settings(layers) | {"parallel": self.parallel}

    @property
    def embedding_scale(self) -> float:
        """Factor of the embedding where it is read."""
        return self.embedding_multiplier * (math.sqrt(self.d_model) if self.scale_embedding else 1)

    @property
    def output_scale(self) -> float:
        """Factor of the last states as they are projected."""
        return self.logit_multiplier / self.width_factor

    @property
    def width_factor(self) -> float:
        """m of ``npformer/nn/widths.py``."""
        return 1.0 if self.mup_base_width is None else self.d_model / self.mup_base_width

    def _check_base(self) -> None:
        base = self.mup_base_width
        if base is None:
            return
        check(
            self.experts is None,
            "mup_base_width has no rule for a router, whose inputs grow and whose experts do not; "
            "leave it or experts out",
        )
        check(
            self.latent_size is None,
            "mup_base_width has no rule for latents, which do not grow with the width; leave it or "
            "latent_size out",
        )
        check(
            not self.any_state,
            "mup_base_width has no rule for the rates of a delta_pattern's layers; leave one out",
        )
        check(
            self.streams is None,
            "mup_base_width has no rule for what mixes streams; leave one out",
        )
        check(
            self.per_layer_size is None,
            "mup_base_width has no rule for per-layer embeddings; leave one out",
        )
        check(
            self.value_tables is None,
            "mup_base_width has no rule for value embeddings; leave one out",
        )
        check(base >= 1, f"mup_base_width is {base}; it must be 1 or more, or not given")
        for name in ("heads", "kv_heads", "global_kv_heads", "d_ff"):
            size = getattr(self, name)
            check(
                size is None or size * base % self.d_model == 0,
                f"mup_base_width is {base}, and {name}, {size} at a width of {self.d_model}, would "
                "be no integer there; choose a base with the same size of heads",
            )
        check(
            self.init_std is not None and not self.scale_embedding,
            "mup_base_width needs init_std, which is that of the base, and no scale_embedding",
        )


class BesideCache(NamedTuple):
    """Of what layers read beside the stream."""

    per_layer: PerLayerEmbeddingCache | None
    values: EmbeddingCache | None


class OutputCache(NamedTuple):
    projection: LinearCache
    softcap: SoftcapCache | None


class GPTCache(NamedTuple):
    embed: EmbedCache
    decoder: StackCache
    output: OutputCache | None  # None where the forward ends before it
    shown: Array | None = None  # (B, T, 1), False at padding; of documents alone
    ahead: AheadCache | None = None  # of the tokens behind the next one, where they are asked for
    beside: BesideCache = BesideCache(None, None)

    @property
    def auxiliary(self) -> Auxiliary | None:
        """What experts and later tokens add to the loss, where it was asked for."""
        each = self.decoder.auxiliary, None if self.ahead is None else self.ahead.auxiliary
        return summed(a for a in each if a is not None)


class GPT(LooksAhead, Model):
    """Token ids to the logits of each next token."""

    Config = GPTConfig
    streams: ClassVar = {"target": "decoder"}
    packs: ClassVar = True

    def __init__(
        self, config: GPTConfig, *, rng: np.random.Generator, dtype: DTypeLike = np.float32
    ) -> None:
        self.config = c = config
        self.auxiliary = c.auxiliary
        self.embedding_scale = c.embedding_scale
        self.embedding = Embedding(
            c.vocab_size,
            c.d_model,
            c.padding_id,
            output_bias=c.output_bias and c.tie_output,
            rng=rng,
            dtype=dtype,
        )
        self.positions = make_positions(
            c.added_positions, c.max_length, c.d_model, rng=rng, dtype=dtype
        )
        self.dropout = Dropout(c.dropout)
        rows = c.per_layer_settings(c.layers)
        self.per_layer = None if rows is None else PerLayerEmbedding(**rows, rng=rng, dtype=dtype)
        self.value_embedding = None
        if c.value_tables is not None:
            columns = c.value_columns
            self.value_embedding = Embedding(
                c.vocab_size, columns, c.padding_id, rng=rng, dtype=dtype
            )
        self.decoder = Stack(
            c.layers,
            c.d_model,
            c.heads,
            c.d_ff,
            causal=True,
            **c.stack_settings(c.layers),
            rng=rng,
            dtype=dtype,
        )
        self.output_proj = (
            None
            if c.tie_output
            else Linear(c.d_model, c.vocab_size, bias=c.output_bias, rng=rng, dtype=dtype)
        )
        ahead = c.ahead_settings(c.layers)
        self.ahead = [
            MultiTokenPrediction(c.d_model, c.heads, c.d_ff, **ahead, rng=rng, dtype=dtype)
            for _ in range(c.predict_ahead)
        ]
        if c.init_std is not None:
            redraw_matrices(self.named_parameters(), c.init_std, rng)
            self.embedding.clear_padding()
            if self.per_layer is not None:
                self.per_layer.table.clear_padding()
            if self.value_embedding is not None:
                self.value_embedding.clear_padding()
        scale_hidden(self.named_parameters(), c.width_factor)
        self.output_scale = c.output_scale
        if c.scale_branches:
            scale_branches(self.decoder.named_parameters())

    def forward(
        self,
        target: Array,
        rng: np.random.Generator | None = None,
        *,
        documents: Array | None = None,
        targets: Array | None = None,
    ) -> tuple[Array, GPTCache]:
        """target (B, T) ids -> logits (B, T, V), cache; ``rng`` draws dropout.

        ``documents`` (B, T) say which text each token is of: equal numbers, which lie side by side,
        are one text, and 0 is padding. A text sees itself alone, and its positions begin with 0;
        padding sees nothing, is not seen, and its last state is 0, so that of its logits' gradient
        nothing comes back but to an output bias. ``targets`` (B, T) ask for the auxiliary losses of
        the experts and of the tokens behind the next one: what follows each token, or
        ``NO_TARGET``, where they count nothing.

        Raises ShapeError for ids that are not (B, length) or have a text longer than
        ``config.max_length``, and for other documents; IndexError for an id outside the vocabulary.
        """
        at = mask = shown = texts = None
        if documents is not None:
            check_documents(documents, target.shape)
            at, mask = document_positions(documents), documents_mask(documents)
            shown = (documents != 0)[:, :, None]
        x, embed = self._embed(target, rng, 0 if at is None else at)
        if targets is not None and self.config.experts is not None:
            texts = first_tokens(targets != NO_TARGET, at)
        read, beside = self._beside(x, target)
        y, decoder = self.decoder.forward(x, mask=mask, rng=rng, at=at, texts=texts, **read)
        if shown is not None:
            y = y * shown
        ahead = None
        if targets is not None and self.ahead:
            more = {"documents": documents, "mask": mask, "at": at}
            _, ahead = self._look_ahead(y, target, targets, rng, **more)
        logits, output = self._finish(y)
        return logits, GPTCache(embed, decoder, output, shown, ahead, beside)

    def backward(self, dlogits: Array, cache: GPTCache) -> None:
        """dlogits (B, T, V) -> nothing: ids have no gradient, the parameters have it all."""
        dy = self._begin_back(dlogits, cache.output)
        if cache.ahead is not None:
            dy = dy + self._look_ahead_backward(1.0, cache.ahead)
        if cache.shown is not None:
            dy = dy * cache.shown
        dx = self.decoder.backward(dy, cache.decoder)
        dx, *others = dx if isinstance(dx, tuple) else (dx,)
        if self.per_layer is not None and cache.beside.per_layer is not None:
            dx = dx + self.per_layer.backward(others.pop(), cache.beside.per_layer)
        if self.value_embedding is not None and cache.beside.values is not None:
            dvalues = others.pop()
            flat = dvalues.reshape(*dvalues.shape[:2], self.config.value_columns)
            self.value_embedding.backward(flat, cache.beside.values)
        self._embed_backward(dx, cache.embed)

    def output(self, y: Array) -> tuple[Array, OutputCache]:
        """The last states (..., D) -> logits (..., V), held within the cap; cache."""
        return self._read_out(y)

    def back_through_output(self, dlogits: Array, cache: OutputCache) -> Array:
        """dlogits (..., V) -> dy (..., D)."""
        return self._read_out_gradient(dlogits, cache)

    def rebalance(self, load: Array) -> None:
        """load (layers, E) -> nothing: the biases of the choices move, if there are any."""
        if self.config.expert_bias_rate is not None:
            mixtures = self.decoder.layers[self.config.dense_first :]
            beside = [module.stack.layers[0] for module in self.ahead]
            for layer, of_layer in zip([*mixtures, *beside], load, strict=True):
                layer.feed_forward.rebalance(of_layer, self.config.expert_bias_rate)

    def start(self, documents: Array | None = None) -> DecoderState:
        """The state before the first token, from which ``step`` writes.

        ``documents`` (R, T) are those of the first T ids, as in ``forward``; what is written goes
        on with the last one. So prompts of several lengths are one batch, with padding on the left.
        Raises ShapeError for a row that ends in padding, and as ``forward``.
        """
        if documents is not None:
            check_documents(documents, documents.shape)
            if documents.shape[1] == 0 or not documents[:, -1].all():
                raise ShapeError(
                    "a row of documents ends in padding, and no text can go on from there; a "
                    "prompt's padding belongs on its left"
                )
        return DecoderState(self.decoder.start(self.config.max_length), documents=documents)

    def step(self, ids: Array, state: DecoderState) -> Array:
        """The newest ids (R,), or a prompt's (R, T) -> logits (R, V) of the token that follows.

        Raises ShapeError once a text has ``config.max_length`` ids.
        """
        return self._read_out(self._read(ids[:, None] if ids.ndim == 1 else ids, state)[:, -1])[0]

    def score(self, ids: Array, state: DecoderState) -> Array:
        """The next ids (R, T) -> logits (R, T, V) of what follows each of them.

        Raises ShapeError once a text has ``config.max_length`` ids.
        """
        return self._read_out(self._read(ids, state))[0]

    def _read(self, ids: Array, state: DecoderState) -> Array:
        """ids (R, T) -> their last states (R, T, D)."""
        at, mask = state.place(ids.shape[1])
        x, _ = self._embed(ids, at=at)
        read, _ = self._beside(x, ids)
        y, _ = self.decoder.forward(x, mask=mask, states=state.layers, at=at, **read)
        state.length += ids.shape[1]
        return y

    def _beside(self, x: Array, ids: Array) -> tuple[dict[str, Any], BesideCache]:
        """x (B, T, D), ids (B, T) -> what the layers read beside x, by its name there; cache."""
        read: dict[str, Any] = {}
        per_layer, values = None, None
        if self.per_layer is not None:
            read["rows"], per_layer = self.per_layer.forward(x, ids)  # (B, T, L, P)
        if self.value_embedding is not None:
            v, values = self.value_embedding.forward(ids)
            tables, columns = self.config.value_tables, self.config.value_columns
            read["values"] = v.reshape(*ids.shape, tables, columns // tables)  # (B, T, J, C)
        return read, BesideCache(per_layer, values)

    def _read_out(self, y: Array) -> tuple[Array, OutputCache]:
        """The last states (..., D) -> logits (..., V), held within the cap if there is one."""
        logits, projection = self._project(self._scaled(y))
        if self.config.logit_softcap is None:
            return logits, OutputCache(projection, None)
        logits, softcap = softcap_forward(logits, cap=self.config.logit_softcap)
        return logits, OutputCache(projection, softcap)

    def _read_out_gradient(self, dlogits: Array, cache: OutputCache) -> Array:
        """dlogits (..., V) -> dy (..., D)."""
        if cache.softcap is not None:
            dlogits = softcap_backward(dlogits, cache.softcap)
        return self._scaled(self._project_backward(dlogits, cache.projection))
