"""Whisper: an encoder-decoder that reads sound (Radford et al., 2022, arXiv:2212.04356)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from npformer.errors import ShapeError
from npformer.seam import method
from torch_ref.models.decoder_state import DecoderState
from torch_ref.models.decoding import inference
from torch_ref.models.model import Model
from torch_ref.models.static_state import StaticState
from torch_ref.nn import Activation, Conv1d, Dropout, Embedding, Linear, Stack
from torch_ref.nn.positions import LearnedPositions, make_positions
from torch_ref.ops import sinusoidal_positions


class Whisper(Model):
    """Frames of sound, and the target's ids, to the logits of each next target token."""

    family = "whisper"
    streams: ClassVar = {"audio": "encoder", "target": "decoder"}

    def __init__(
        self,
        config: Any,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        c = self.config = config
        place: dict[str, Any] = {"dtype": dtype, "device": device}

        def stack(layers: int, *, decoder: bool) -> Stack:
            settings = c.stack(layers, decoder=decoder)
            return Stack(layers, c.d_model, c.heads, c.d_ff, **settings, **place)

        self.conv1 = Conv1d(c.mels, c.d_model, 3, padding=1, **place)
        self.activation1 = Activation("gelu")
        self.conv2 = Conv1d(c.d_model, c.d_model, 3, 2, padding=1, **place)
        self.activation2 = Activation("gelu")
        self.audio_positions = LearnedPositions(c.audio_length, c.d_model, **place)
        self.dropout = Dropout(c.dropout)
        self.encoder = stack(c.encoder_layers, decoder=False)
        tied_bias = c.output_bias and c.tie_output
        self.embedding = Embedding(
            c.vocab_size, c.d_model, c.padding_id, output_bias=tied_bias, **place
        )
        self.embedding_norm = None
        self.positions = make_positions(c.added_positions, c.max_length, c.d_model, **place)
        self.decoder = stack(c.decoder_layers, decoder=True)
        self.output_proj = (
            None if c.tie_output else Linear(c.d_model, c.vocab_size, c.output_bias, **place)
        )
        self.redraw()
        table = self.audio_positions.weight.requires_grad_(False)
        table.copy_(sinusoidal_positions(*table.shape, layout="tensor2tensor", **place))

    def forward(
        self, audio: Tensor, target: Tensor, rng: np.random.Generator | None = None
    ) -> Tensor:
        """audio (B, M, A) floats, target (B, T) ids -> logits (B, T, V); ``rng`` draws dropout.

        Raises what the NumPy model's forward raises.
        """
        return self._project(self.hidden(audio, target, rng))

    def hidden(
        self, audio: Tensor, target: Tensor, rng: np.random.Generator | None = None
    ) -> Tensor:
        """What ``forward`` projects to the logits: the decoder's last states (B, T, D)."""
        memory = self.encoder(self._listen(audio, rng), rng=rng)
        return self.decoder(self._embed(target, rng), memory, rng=rng)

    @torch.inference_mode()
    def start(self, audio: np.ndarray | Tensor) -> DecoderState | StaticState:
        """audio (B, M, A) -> the state from which ``step`` decodes, token by token."""
        heard = torch.as_tensor(audio, device=self.conv1.weight.device)
        with inference(self):
            memory = self.encoder(self._listen(heard))
            mask = torch.ones(
                len(memory), 1, 1, memory.shape[1], dtype=torch.bool, device=memory.device
            )
            layers = self.decoder.start(self.config.max_length, memory)
            if self._pool is not None and self.positions.adds and self.config.window is None:
                return StaticState(self._pool, layers, mask, self.config.max_length)
            return DecoderState(layers, memory.device, mask)

    @method
    def _listen(self, audio: Tensor, rng: np.random.Generator | None = None) -> Tensor:
        """audio (B, M, A) -> what the encoder reads (B, S, D)."""
        c = self.config
        if audio.ndim != 3 or audio.shape[1] != c.mels:
            raise ShapeError(
                f"a sound of shape {tuple(audio.shape)}; it must be (batch, {c.mels}, frames)"
            )
        if not 1 <= audio.shape[2] <= c.frames:
            raise ShapeError(
                f"a sound of {audio.shape[2]} frames; the model takes 1 to {c.frames}: cut it into "
                "pieces"
            )
        x = audio.transpose(1, 2).to(self.conv1.weight.dtype)
        x = self.activation1(self.conv1(x))
        x = self.activation2(self.conv2(x))
        return self.dropout(self.audio_positions(x), rng)
