"""The card of the encoder-decoder that reads sound."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.model_draws import draw_without_latents
from npformer.cards.models.transformer import no_lookup, no_projection
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import draw_ids, draw_lengths, draw_seed, draw_settings
from npformer.cards.module_invariants import adds_up, gathers, same_product
from npformer.cards.strategies import Source
from npformer.models.whisper import Whisper, WhisperConfig
from npformer.nn.module import Parameter

card = ModuleCard.of(Whisper)
card.inputs, card.output = {"audio": "BMA"}, "BTV"
card.frozen = lambda case: {
    "audio_positions.weight": ...,
    "embedding.weight": case.static["build"][0].padding_id,
}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """The whole model: frames and ids in, logits out; an odd number of frames now and then."""
    settings = draw_settings(source)
    settings["d_model"] -= settings["d_model"] % settings["heads"]
    if source.choice((False, True)):
        settings |= draw_without_latents(source, settings)
    settings |= {"mels": source.choice((3, 1)), "audio_length": 4}
    names = {f.name for f in dataclasses.fields(WhisperConfig)}
    c = WhisperConfig(**{name: value for name, value in settings.items() if name in names})
    b, t, _ = draw_lengths(source)
    frames = source.choice((7, 8, 5, 2, 1))
    sizes = {"B": b, "T": t, "V": c.vocab_size, "D": c.d_model, "N": c.heads, "F": c.d_ff}
    sizes |= {"M": c.mels, "A": frames, "H": c.size_of_head}
    sizes |= {"the number of layers": c.decoder_layers}
    static = {"build": (c,), "target": draw_ids(source, (b, t), c), "rng": draw_seed(source)}
    return sizes, static


card.invariant("a second backward adds to the first", "gradient-replaced")(gathers)
card.invariant("two parts of a batch add up to the whole", broken_by="sound-averaged")(
    adds_up("target")
)


card.invariant(
    "<daudio, audio> = <dconv1.weight, conv1.weight>", broken_by="sound-not-walked-back"
)(same_product(("audio",), ("conv1.weight",)))


@card.wrong_method("gradient-replaced", "each gradient replaces what was there: of a tied weight's "
                   "two uses, the last counts", Parameter.accumulate)  # fmt: skip
def _replaced(self, gradient):
    self.grad = np.array(gradient)


card.wrong_method("tied-without-lookup", "the tied weight gets the projection's gradient alone",
                  Whisper._embed_backward)(no_lookup)  # fmt: skip
card.wrong_method("tied-without-projection", "the tied weight gets the look-up's gradient alone",
                  Whisper._project_backward)(no_projection)  # fmt: skip


@card.wrong_method("table-trained", "the encoder's table is learned as the decoder's is",
                   Whisper._listen_backward)  # fmt: skip
def _trained(self, dx, cache):
    table = self.audio_positions.weight
    table.trainable = True
    try:
        return self._listen_backward(dx, cache)
    finally:
        table.trainable = False


@card.wrong_method("encoder-frozen", "the memory is taken for an input, and no loss reaches the "
                   "encoder", Whisper.backward)  # fmt: skip
def _no_encoder(self, dlogits, cache):
    dy = self._project_backward(dlogits, cache.output)
    dy, dmemory = self.decoder.backward(dy, cache.decoder)
    self._embed_backward(dy, cache.embed)
    return self._listen_backward(np.zeros_like(dmemory), cache.front)


@card.wrong_method("front-frozen", "the loss stops at the encoder's first layer",
                   Whisper._listen_backward)  # fmt: skip
def _no_front(self, dx, cache):
    windows = cache.conv1.windows
    return np.zeros((len(windows), windows.shape[2], cache.conv1.length), dx.dtype)


@card.wrong_method("second-activation-not-walked-back", "the gradient of the second convolution "
                   "lacks its GELU's slope", Whisper._listen_backward)  # fmt: skip
def _no_slope(self, dx, cache):
    with altered(self, activation2=_Flat()):
        return self._listen_backward(dx, cache)


class _Flat:
    """An activation whose slope is taken for 1."""

    def backward(self, dy, cache):
        return dy


@card.wrong_method("sound-not-walked-back", "daudio is that of the first convolution's output, "
                   "averaged over the width", Whisper._listen_backward)  # fmt: skip
def _not_walked_back(self, dx, cache):
    daudio = self._listen_backward(dx, cache)
    return np.broadcast_to(daudio.mean(axis=1, keepdims=True), daudio.shape)


@card.wrong_method("sound-averaged", "daudio is averaged over the recordings", Whisper.backward)
def _averaged(self, dlogits, cache):
    return self.backward(dlogits, cache) / max(len(dlogits), 1)


@card.wrong_method("sound-reshaped", "frames and frequencies are reshaped where they should be "
                   "swapped", Whisper._listen)  # fmt: skip
def _reshaped(self, audio, rng=None):
    return self._listen(audio.swapaxes(1, 2).reshape(audio.shape), rng)


@card.wrong_method("strides-swapped", "the first convolution has the stride of the second",
                   Whisper._listen)  # fmt: skip
def _swapped(self, audio, rng=None):
    with altered(self.conv1, stride=self.conv2.stride), altered(self.conv2, stride=1):
        return self._listen(audio, rng)


@card.wrong_method("padding-on-one-side", "the second convolution has both its zeros before the "
                   "sound", Whisper._listen)  # fmt: skip
def _one_side(self, audio, rng=None):
    with altered(self.conv2, padding=(2, 0)):
        return self._listen(audio, rng)


@card.wrong_method("front-by-tanh", "the convolutions' GELU is its approximation by tanh",
                   Whisper._listen)  # fmt: skip
def _by_tanh(self, audio, rng=None):
    with altered(self.activation1, name="gelu_tanh"), altered(self.activation2, name="gelu_tanh"):
        return self._listen(audio, rng)
