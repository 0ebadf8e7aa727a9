r"""Whisper: an encoder-decoder that reads sound (Radford et al., 2022, arXiv:2212.04356).

Shapes      audio (B, M, A) log-mel frames    target (B, T) token ids    memory (B, S, D)
            logits (B, T, V)                  S = (A + 1) // 2

Forward     x      = gelu(conv1(audio^T))       width 3, zeros on both sides, A positions
            x      = gelu(conv2(x))             the same with stride 2, S positions
            memory = encoder(dropout(x + table))
            y      = dropout(embedding(target) + positions)
            logits = decoder(y, memory) @ embedding.weight.T

            Both stacks are pre-norm, with a norm after the last layer. The encoder's table is sines
            and cosines, which published files hold as a weight that is never trained. Sound has no
            padding: a recording is filled up to the length of training with silence, and the
            encoder attends to that too.

            A bias of keys adds the same number to all scores of a query, which a softmax does not
            see: here keys have none.

Backward    The same five lines from the last to the first. Past the encoder it goes on through
            both convolutions, to the sound itself: daudio (B, M, A), which says of every frame and
            frequency how much it mattered. The table gets nothing.

Chapter     walkthroughs/09_whole_model.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ShapeError
from npformer.fields import check
from npformer.models.attention_config import BIASING, AttentionConfig
from npformer.models.decoder_state import DecoderState
from npformer.models.model import EmbedCache, Model
from npformer.models.stack_config import Activation, Placement, PositionKind
from npformer.nn import Conv1d, Dropout, Embedding, Linear, Stack
from npformer.nn.activation import Activation as ActivationModule
from npformer.nn.init import drawn, redraw_matrices
from npformer.nn.module import Array
from npformer.nn.positions import LearnedPositions, PositionsCache, make_positions
from npformer.nn.stack import StackCache
from npformer.ops.conv1d import Conv1dCache
from npformer.ops.dropout import DropoutCache
from npformer.ops.linear import LinearCache
from npformer.ops.positions import sinusoidal_positions

FRAMES = 2
"""Frames of the sound for each position of the encoder: the second convolution's stride."""


@dataclass(frozen=True, kw_only=True)
class WhisperConfig(AttentionConfig):
    """The shape of a model that writes what it hears; the defaults are those of Whisper tiny.

    The settings of attention are those of all of it, but for windows, which cross-attention has
    not.
    """

    family: Literal["whisper"] = "whisper"
    vocab_size: int = 51_865
    d_model: int = 384
    max_length: int = 448
    heads: int = 6
    d_ff: int = 1536
    norm: Placement = "pre"
    activation: Activation = "gelu"
    positions: PositionKind = "learned"
    """Of the decoder: added to the embeddings; turning queries and keys; a bias of the scores, for
    t5 one that all layers share; or none."""
    attention_bias: Literal["all", "qkv", "qvo", "none"] = "qvo"
    init_std: float | None = 0.02
    mels: int = 80
    """Frequency bands of the sound (M)."""
    audio_length: int = 1500
    """Longest sound, in the encoder's positions of two frames each."""
    encoder_layers: int = 4
    """Layers of the encoder."""
    decoder_layers: int = 4
    """Layers of the decoder."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (
            ("mels", 1),
            ("audio_length", 1),
            ("encoder_layers", 0),
            ("decoder_layers", 1),
        ):
            size = getattr(self, name)
            check(size >= least, f"{name} is {size}; it must be {least} or more")

    @property
    def frames(self) -> int:
        """Frames of the longest sound."""
        return FRAMES * self.audio_length

    def stack(self, layers: int, *, decoder: bool) -> dict[str, Any]:
        """The settings of a ``Stack`` of so many layers."""
        settings = self.stack_settings(layers)
        if not decoder:
            settings["attention"] = [{**each, "positions": None} for each in settings["attention"]]
            return settings
        shared = {"name": self.positions, "max_length": self.max_length, **self.bias()}
        return {
            **settings,
            "causal": True,
            "cross_attention": True,
            "memory_attention": {**self.attention(0), "positions": None, "window": None},
            "positions": shared if self.positions in BIASING else None,
        }

    def _positions(self, layer: int, local: bool) -> dict[str, Any] | None:
        return None if self.positions in BIASING else super()._positions(layer, local)


class FrontCache(NamedTuple):
    conv1: Conv1dCache
    activation1: Any  # of the activation's op
    conv2: Conv1dCache
    activation2: Any
    positions: PositionsCache
    dropout: DropoutCache


class WhisperCache(NamedTuple):
    front: FrontCache
    encoder: StackCache
    embed: EmbedCache
    decoder: StackCache
    output: LinearCache


class Whisper(Model):
    """Frames of sound, and the target's ids, to the logits of each next target token.

    The output projection is the embedding's matrix unless ``config.tie_output`` is False. Padding
    of a target is on the right, so the causal mask alone hides it from its tokens.
    """

    Config = WhisperConfig
    streams: ClassVar = {"audio": "encoder", "target": "decoder"}
    heard: ClassVar = {"audio": "mels"}

    def __init__(
        self, config: WhisperConfig, *, rng: np.random.Generator, dtype: DTypeLike = np.float32
    ) -> None:
        self.config = c = config

        def stack(layers: int, *, decoder: bool) -> Stack:
            settings = c.stack(layers, decoder=decoder)
            return Stack(layers, c.d_model, c.heads, c.d_ff, **settings, rng=rng, dtype=dtype)

        self.conv1 = Conv1d(c.mels, c.d_model, 3, padding=1, rng=rng, dtype=dtype)
        self.activation1 = ActivationModule("gelu")
        self.conv2 = Conv1d(c.d_model, c.d_model, 3, FRAMES, padding=1, rng=rng, dtype=dtype)
        self.activation2 = ActivationModule("gelu")
        self.audio_positions = LearnedPositions(c.audio_length, c.d_model, rng=rng, dtype=dtype)
        self.dropout = Dropout(c.dropout)
        self.encoder = stack(c.encoder_layers, decoder=False)
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
        self.decoder = stack(c.decoder_layers, decoder=True)
        self.output_proj = (
            None
            if c.tie_output
            else Linear(c.d_model, c.vocab_size, bias=c.output_bias, rng=rng, dtype=dtype)
        )
        if c.init_std is not None:
            redraw_matrices(self.named_parameters(), c.init_std, rng)
            self.embedding.clear_padding()
        table = self.audio_positions.weight
        table.trainable = False
        if drawn(table):
            shape = table.data.shape
            table.data[...] = sinusoidal_positions(*shape, layout="tensor2tensor", dtype=dtype)

    def forward(
        self, audio: Array, target: Array, rng: np.random.Generator | None = None
    ) -> tuple[Array, WhisperCache]:
        """audio (B, M, A) floats, target (B, T) ids -> logits (B, T, V), cache.

        ``rng`` draws dropout. Raises ShapeError for a sound that is not (batch, mels, frames) or
        is longer than ``config.frames``, and for ids as ``Model`` does; IndexError for an id
        outside the vocabulary.
        """
        x, front = self._listen(audio, rng)
        memory, encoder = self.encoder.forward(x, rng=rng)
        y, embed = self._embed(target, rng)
        y, decoder = self.decoder.forward(y, memory, rng=rng)
        logits, output = self._finish(y)
        return logits, WhisperCache(front, encoder, embed, decoder, output)

    def backward(self, dlogits: Array, cache: WhisperCache) -> Array:
        """dlogits (B, T, V) -> daudio (B, M, A)."""
        dy = self._begin_back(dlogits, cache.output)
        dy, dmemory = self.decoder.backward(dy, cache.decoder)
        self._embed_backward(dy, cache.embed)
        dx = self.encoder.backward(dmemory, cache.encoder)
        return self._listen_backward(dx, cache.front)

    def start(self, audio: Array) -> DecoderState:
        """audio (B, M, A) -> the state from which ``step`` decodes, token by token."""
        x, _ = self._listen(audio)
        memory, _ = self.encoder.forward(x)
        states = self.decoder.start(self.config.max_length, memory)
        return DecoderState(states, np.ones((len(memory), 1, 1, memory.shape[1]), bool))

    def step(self, ids: Array, state: DecoderState) -> Array:
        """The newest target ids (R,) -> logits (R, V) of the token that follows them.

        Raises ShapeError once ``config.max_length`` ids have been given.
        """
        y, _ = self._embed(ids[:, None], at=state.length)
        y, _ = self.decoder.forward(y, memory_mask=state.memory_mask, states=state.layers)
        state.length += 1
        return self._project(y[:, 0])[0]

    def _listen(
        self, audio: Array, rng: np.random.Generator | None = None
    ) -> tuple[Array, FrontCache]:
        """audio (B, M, A) -> what the encoder reads (B, S, D), cache."""
        c = self.config
        if audio.ndim != 3 or audio.shape[1] != c.mels:
            raise ShapeError(
                f"a sound of shape {audio.shape}; it must be (batch, {c.mels}, frames)"
            )
        if not 1 <= audio.shape[2] <= c.frames:
            raise ShapeError(
                f"a sound of {audio.shape[2]} frames; the model takes 1 to {c.frames}: cut it into "
                "pieces"
            )
        x = audio.swapaxes(1, 2).astype(self.conv1.weight.data.dtype, copy=False)
        x, conv1 = self.conv1.forward(x)  # (B, A, D)
        x, activation1 = self.activation1.forward(x)
        x, conv2 = self.conv2.forward(x)  # (B, S, D)
        x, activation2 = self.activation2.forward(x)
        x, positions = self.audio_positions.forward(x)
        x, dropout = self.dropout.forward(x, rng)
        return x, FrontCache(conv1, activation1, conv2, activation2, positions, dropout)

    def _listen_backward(self, dx: Array, cache: FrontCache) -> Array:
        """dx (B, S, D) -> daudio (B, M, A)."""
        dx = self.dropout.backward(dx, cache.dropout)
        dx = self.audio_positions.backward(dx, cache.positions)
        dx = self.activation2.backward(dx, cache.activation2)
        dx = self.conv2.backward(dx, cache.conv2)
        dx = self.activation1.backward(dx, cache.activation1)
        return self.conv1.backward(dx, cache.conv1).swapaxes(1, 2)
