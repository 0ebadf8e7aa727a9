"""Hugging Face's MarianMTModel as a baseline for the twin: the same architecture, others' code.

Made from the same configuration: widths, heads, layers, vocabulary, activation, embeddings scaled
by sqrt(D) and tied to the output, post-norm, static sinusoidal positions, dropout where the paper
has it, PyTorch's scaled_dot_product_attention. So it has the same parameters, one for one. Two
things differ, neither of which changes what it can learn: its table of positions has all sines
before all cosines (``twin_weights`` permutes the residual stream where the twin's has not), and it
starts from Hugging Face's own initial weights: every bias zero, every matrix from N(0, init_std^2),
with its default of 0.02 where the configuration has none.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from npformer.bench.module_engine import Forward, ModuleEngine
from npformer.bench.plain_model import check_plain
from npformer.models.transformer import TransformerConfig
from npformer.pretrained.families.marian import Marian
from npformer.pretrained.tensors import Exported
from npformer.text.tokenizer import BOS, EOS

if TYPE_CHECKING:
    from transformers import MarianMTModel

ACTIVATIONS = {"relu": "relu", "gelu": "gelu", "gelu_tanh": "gelu_pytorch_tanh", "silu": "silu"}


def marian_model(config: TransformerConfig) -> MarianMTModel:
    """A MarianMTModel of the configuration's architecture, from Hugging Face's initial weights.

    They are drawn from PyTorch's generator. Raises ConfigError for what Marian does not have, and
    ModuleNotFoundError without transformers (extra ``marian``).
    """
    from transformers import MarianConfig, MarianMTModel

    c = config
    check_plain(
        c,
        "MarianMTModel",
        {
            "norm": c.norm == "post",
            "head_size": c.head_size in (None, c.d_model // c.heads),
            "d_k": c.head_k * c.heads == c.d_model,
            "d_v": c.head_v * c.heads == c.d_model,
            "activation": c.activation in ACTIVATIONS,
            "positions": c.positions in ("sinusoidal", "sinusoidal_half"),
        },
    )
    options: dict[str, Any] = dict(attn_implementation="sdpa")  # which has no field of its own
    if c.init_std is not None:
        options["init_std"] = c.init_std
    return MarianMTModel(
        MarianConfig(
            vocab_size=c.vocab_size,
            d_model=c.d_model,
            encoder_layers=c.encoder_layers,
            decoder_layers=c.decoder_layers,
            encoder_attention_heads=c.heads,
            decoder_attention_heads=c.heads,
            encoder_ffn_dim=c.d_ff,
            decoder_ffn_dim=c.d_ff,
            activation_function=ACTIVATIONS[c.activation],
            dropout=c.dropout,
            attention_dropout=0.0,
            activation_dropout=0.0,
            scale_embedding=True,
            max_position_embeddings=c.max_length,
            pad_token_id=c.padding_id,
            bos_token_id=BOS,
            eos_token_id=EOS,
            forced_eos_token_id=None,
            decoder_start_token_id=BOS,
            **options,
        )
    )


class MarianEngine(ModuleEngine):
    """``Engine`` over a MarianMTModel whose first weights follow from ``config.train.seed``."""

    module: Any  # a MarianMTModel, whose methods are not all typed as they are called

    def module_of(self, config: TransformerConfig) -> MarianMTModel:
        """A MarianMTModel; ``marian_model`` says what is raised."""
        return marian_model(config)

    def forward_of(self, module: Any) -> Forward:
        """The model as its documentation calls it in training."""
        padding = self.config.model.padding_id

        def forward(source: Tensor, target: Tensor) -> Tensor:
            return module(
                input_ids=source,
                attention_mask=source != padding,
                decoder_input_ids=target,
                use_cache=False,
            ).logits

        return forward

    @property
    def model(self) -> CachedMarian:
        """What ``npformer.decode`` translates with."""
        return CachedMarian(self.module, self.config.model)

    def generate(self, source: np.ndarray, **options: Any) -> list[list[int]]:
        """source (B, S) ids -> what Hugging Face's ``generate`` writes for each row, up to its end.

        ``options`` are those of ``generate``. With ``eos_token_id=None`` no row ends early.
        """
        ids = torch.from_numpy(source).to(self.device)
        settings = copy.deepcopy(self.module.generation_config)
        settings.update(do_sample=False, **options)
        with torch.inference_mode():
            written = self.module.generate(
                input_ids=ids,
                attention_mask=ids != self.config.model.padding_id,
                generation_config=settings,
            )
        rows: list[list[int]] = written[:, 1:].tolist()  # BOS comes first
        end = settings.eos_token_id
        return [row[: row.index(end)] if end in row else row for row in rows]


class CachedMarian:
    """A MarianMTModel, with its own key/value cache, as ``npformer.decode`` asks for a model."""

    streams: ClassVar = {"source": "model.encoder", "target": "model.decoder"}

    def __init__(self, marian: MarianMTModel, config: TransformerConfig) -> None:
        self.marian, self.config = marian, config

    @torch.inference_mode()
    def start(self, source: np.ndarray) -> MarianState:
        """source (B, S) ids -> the state from which ``step`` decodes."""
        ids = torch.from_numpy(source).to(self.marian.device)
        mask = ids != self.config.padding_id
        memory = self.marian.get_encoder()(ids, attention_mask=mask).last_hidden_state
        return MarianState(memory, mask)

    @torch.inference_mode()
    def step(self, ids: np.ndarray, state: MarianState) -> np.ndarray:
        """The newest target ids (B,) -> logits (B, V) of the token that follows them."""
        newest = torch.as_tensor(ids, device=self.marian.device)[:, None]
        out = self.marian(
            encoder_outputs=(state.memory,),
            attention_mask=state.mask,
            decoder_input_ids=newest,
            past_key_values=state.cache,
            use_cache=True,
        )
        state.cache = out.past_key_values
        return out.logits[:, 0].float().cpu().numpy()


class MarianState:
    """Where a decoding stands: the encoder's result, its mask, and Hugging Face's cache."""

    def __init__(self, memory: Tensor, mask: Tensor) -> None:
        self.memory, self.mask = memory, mask  # (B, S, D), (B, S)
        self.cache: Any = None

    @torch.inference_mode()
    def select(self, rows: np.ndarray) -> None:
        """Keep ``rows`` of the batch, in that order; a row may come more than once."""
        chosen = torch.as_tensor(rows, device=self.mask.device)
        self.memory, self.mask = self.memory[chosen], self.mask[chosen]
        if self.cache is not None:
            self.cache.reorder_cache(chosen)


def twin_weights(
    weights: Mapping[str, np.ndarray], config: TransformerConfig
) -> dict[str, np.ndarray]:
    """The twin's weights under Marian's names, its residual stream in Marian's order.

    Where position columns are sine, cosine, sine, ... in the twin, they are all sines and then all
    cosines in Marian. Every matrix that reads or writes the stream is then permuted accordingly,
    so that both models compute the same function.
    """
    order = np.arange(config.d_model)
    if config.positions == "sinusoidal":
        order = np.r_[0 : config.d_model : 2, 1 : config.d_model : 2]
    permuted = {name: _permuted(name, array, order) for name, array in weights.items()}
    family = Marian()
    exported = Exported(family.entries(config), permuted)
    return {family.file_name(name): np.ascontiguousarray(exported[name]) for name in exported}


def _permuted(name: str, array: np.ndarray, order: np.ndarray) -> np.ndarray:
    """A parameter with the axis that is the residual stream, if it has one, in another order."""
    writes = name.rpartition(".")[0].endswith(("out_proj", "linear2", "norm"))
    if writes:
        return array[order]  # its rows, or its bias
    reads = name.endswith("weight")
    return array[:, order] if reads else array
