"""A decoder-only Transformer, as GPT-2 is one (Radford et al., 2019), and what came after it."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from npformer.errors import ShapeError
from torch_ref import ops
from torch_ref.models.decoder_state import DecoderState
from torch_ref.models.decoding import inference
from torch_ref.models.looks_ahead import NO_TARGET, LooksAhead, SumOfLosses
from torch_ref.models.model import Model
from torch_ref.nn import Dropout, Embedding, Linear, MultiTokenPrediction, Stack
from torch_ref.nn.mixture_of_experts import summed
from torch_ref.nn.per_layer_embedding import PerLayerEmbedding
from torch_ref.nn.positions import make_positions
from torch_ref.nn.widths import scale_branches, scale_hidden
from torch_ref.ops.masks import document_positions, documents_mask, first_tokens


class GPT(LooksAhead, Model):
    """Token ids to the logits of each next token."""

    family = "gpt"
    streams: ClassVar = {"target": "decoder"}

    def __init__(
        self,
        config: Any,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        c = self.config = config
        self.auxiliary = c.auxiliary
        place: dict[str, Any] = {"dtype": dtype, "device": device}
        tied_bias = c.output_bias and c.tie_output
        self.embedding = Embedding(
            c.vocab_size, c.d_model, c.padding_id, output_bias=tied_bias, **place
        )
        self.embedding_scale = c.embedding_multiplier
        if c.scale_embedding:
            self.embedding_scale *= math.sqrt(c.d_model)
        self.positions = make_positions(c.added_positions, c.max_length, c.d_model, **place)
        self.embedding_norm = None
        self.dropout = Dropout(c.dropout)
        rows = c.per_layer_settings(c.layers)
        self.per_layer = None if rows is None else PerLayerEmbedding(**rows, **place)
        self.value_embedding = None
        if c.value_tables is not None:
            self.value_embedding = Embedding(c.vocab_size, c.value_columns, c.padding_id, **place)
        self.decoder = Stack(
            c.layers,
            c.d_model,
            c.heads,
            c.d_ff,
            causal=True,
            **c.stack_settings(c.layers),
            **place,
        )
        self.output_proj = (
            None if c.tie_output else Linear(c.d_model, c.vocab_size, c.output_bias, **place)
        )
        ahead = c.ahead_settings(c.layers)
        self.ahead = nn.ModuleList(  # type: ignore[assignment]
            MultiTokenPrediction(c.d_model, c.heads, c.d_ff, **ahead, **place)
            for _ in range(c.predict_ahead)
        )
        self.redraw()
        if self.per_layer is not None:
            self.per_layer.table._fill_padding_idx_with_zero()
        if self.value_embedding is not None:
            self.value_embedding._fill_padding_idx_with_zero()
        scale_hidden(self, c.width_factor)
        self.output_scale = c.logit_multiplier / c.width_factor
        if c.scale_branches:
            scale_branches(self.decoder)

    def forward(
        self,
        target: Tensor,
        rng: np.random.Generator | None = None,
        *,
        documents: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> Any:
        """target (B, T) ids -> logits (B, T, V), and with ``targets`` the ``Auxiliary`` after it.

        With a generator, every dropout mask is the one that the NumPy model draws from it; without,
        PyTorch draws them while ``training``. ``documents`` (B, T) are as in the NumPy model; that
        a text's tokens lie side by side is the caller's to see to. Raises ShapeError for ids that
        are not (B, length) or have a text longer than ``config.max_length``, and for documents of
        another shape; IndexError (on the CPU) for an id outside the vocabulary.
        """
        if targets is None:
            return self.logits(self.hidden(target, rng, documents=documents))
        y, auxiliary = self.hidden(target, rng, documents=documents, targets=targets)
        return self.logits(y), auxiliary

    def logits(self, y: Tensor) -> Tensor:
        """The last states (..., D) -> logits (..., V), held within the cap if there is one."""
        logits = self._project(y)
        cap = self.config.logit_softcap
        return logits if cap is None else ops.softcap(logits, cap=cap)

    def hidden(
        self,
        target: Tensor,
        rng: np.random.Generator | None = None,
        *,
        documents: Tensor | None = None,
        targets: Tensor | None = None,
        loss_of: SumOfLosses | None = None,
    ) -> Any:
        """What ``forward`` projects to the logits: the last states (B, T, D).

        With ``targets`` (B, T), what follows each token or ``NO_TARGET``, the auxiliary losses come
        after it; ``loss_of`` makes those of the tokens behind the next one.
        """
        at = mask = texts = None
        if documents is not None:
            self._check_documents(documents, target)
            at, mask = document_positions(documents), documents_mask(documents)
        if targets is not None and self.config.experts is not None:
            texts = first_tokens(targets != NO_TARGET, at)
        x = self._embed(target, rng, 0 if at is None else at)
        beside = self._beside(x, target)
        y = self.decoder(x, mask=mask, rng=rng, at=at, texts=texts, **beside)
        y, *auxiliary = y if isinstance(y, tuple) else (y,)
        if documents is not None:
            y = torch.where((documents == 0)[:, :, None], 0, y)
        if targets is None:
            return self._scaled(y)
        if len(self.ahead):
            more: dict[str, Any] = {
                "documents": documents,
                "mask": mask,
                "at": at,
                "loss_of": loss_of,
            }
            auxiliary.append(self._look_ahead(y, target, targets, rng, **more))
        return self._scaled(y), summed(auxiliary)

    def _beside(self, x: Tensor, ids: Tensor) -> dict[str, Tensor]:
        """A row for each layer (B, T, L, P) and for each table of values (B, T, J, C), if any."""
        read = {}
        if self.per_layer is not None:
            read["rows"] = self.per_layer(x, ids)
        if self.value_embedding is not None:
            read["values"] = self.value_embedding(ids).unflatten(-1, (self.config.value_tables, -1))
        return read

    def bias_steps(self, load: Tensor) -> list[tuple[nn.Parameter, Tensor]]:
        """load (layers, E) -> the biases of the choices, if there are any, and what to add."""
        rate = self.config.expert_bias_rate
        if rate is None:
            return []
        steps = rate * torch.sign(load.mean(-1, keepdim=True) - load)
        layers = [*self.decoder.layers[self.config.dense_first :]]
        layers += [module.stack.layers[0] for module in self.ahead]
        mixtures: Any = [layer.feed_forward for layer in layers]
        return [(m.balance_bias, step) for m, step in zip(mixtures, steps, strict=True)]

    @torch.inference_mode()
    def start(self, documents: np.ndarray | Tensor | None = None) -> DecoderState:
        """The state before the first token, from which ``step`` writes.

        ``documents`` (R, T) are those of the first T ids. Raises ShapeError for a row that ends in
        padding.
        """
        if documents is not None:
            documents = torch.as_tensor(documents, device="cpu")
            self._check_documents(documents)
            if documents.shape[1] == 0 or not documents[:, -1].all():
                raise ShapeError("a row of documents ends in padding; it belongs on the left")
        with inference(self):
            layers = self.decoder.start(self.config.max_length)
            return DecoderState(layers, self.embedding.weight.device, documents=documents)

    @torch.inference_mode()
    def score(self, ids: np.ndarray, state: DecoderState) -> np.ndarray:
        """The next ids (R, T) -> logits (R, T, V) of what follows each of them, in NumPy."""
        with inference(self):
            return state.score(self, ids).cpu().numpy()

    def _check_documents(self, documents: Tensor, ids: Tensor | None = None) -> None:
        shape = tuple(documents.shape) if ids is None else tuple(ids.shape)
        if documents.ndim != 2 or documents.shape != shape or documents.is_floating_point():
            raise ShapeError(
                f"documents of {documents.dtype} and shape {tuple(documents.shape)} for token ids "
                f"of shape {shape}; give each token the number of its text, or 0 for padding"
            )
