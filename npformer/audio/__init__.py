"""From a recording to what a model hears: samples, frames, pieces."""

from npformer.audio.log_mel import log_mel
from npformer.audio.pieces import pieces
from npformer.audio.read import read_audio

__all__ = ["log_mel", "pieces", "read_audio"]
