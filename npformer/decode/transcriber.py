"""A model that hears, and its tokenizer, from a recording to its text."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from npformer.audio.log_mel import HOP, RATE, log_mel
from npformer.audio.pieces import pieces
from npformer.decode.beam import beam as beam_search
from npformer.decode.greedy import greedy
from npformer.decode.rollout import Begun, CachedModel
from npformer.decode.speech_ids import SpeechIds
from npformer.errors import ConfigError
from npformer.models import family
from npformer.ops.array import Array
from npformer.text.tokenizer import Tokenizer

Search = Callable[..., list[list[int]]]
"""``greedy``, or another that takes the same."""


class Heard(NamedTuple):
    """A piece of a recording."""

    begin: float
    """In seconds."""
    end: float
    text: str


class Transcriber:
    """Writes what is said in a recording, piece by piece.

    ``model`` is the NumPy model or its twin; ``said`` is what its files say of generating,
    ``generation_config.json``. ``language`` is a code such as ``de``; without one the model tells
    it by the first piece. ``task`` is ``transcribe``, or ``translate`` for English in place of what
    was spoken. Raises ConfigError for a model that hears nothing, and for a language or a task that
    it does not know.
    """

    def __init__(
        self,
        model: CachedModel,
        tokenizer: Tokenizer,
        said: Mapping[str, Any],
        *,
        language: str | None = None,
        task: str = "transcribe",
    ) -> None:
        if not family(model.config.family).heard:
            raise ConfigError(
                f"this model, a {model.config.family}, hears nothing; give one that does, such as "
                "a Whisper that npformer load has read"
            )
        self.model, self.tokenizer, self.task = model, tokenizer, task
        self.ids = SpeechIds.read(said)
        self._language = None if language is None else self.ids.language(language)
        known = self._language is not None or not self.ids.languages
        if known:
            self.ids.begin(self._language, task)  # which refuses a task

    @property
    def language(self) -> str:
        """The code of the language that is heard, once it is known."""
        if not self.ids.languages:
            return "en"
        known = {each: code for code, each in self.ids.languages.items()}
        return "" if self._language is None else known[self._language]

    def transcribe(self, samples: Array, *, beam: int = 1) -> Iterator[Heard]:
        """samples (n,) at 16 kHz -> the text of each piece of at most 30 s, as each is written.

        Of a longer recording every piece is heard by itself, and is cut in a pause
        (``npformer.audio.pieces``). A piece without any sound has no text. ``beam`` hypotheses are
        kept at each step; 1 is greedy decoding.
        """
        search = greedy if beam == 1 else functools.partial(beam_search, beam=beam)
        config = self.model.config
        for begin, end in pieces(samples, config.frames * HOP):
            piece = samples[begin:end]
            text = ""
            if piece.any():
                frames = log_mel(piece, config.mels, config.frames)[None]
                text = self.tokenizer.decode(self.tokens(frames, search=search)[0]).strip()
            yield Heard(begin / RATE, end / RATE, text)

    def tokens(
        self, audio: Array, *, search: Search = greedy, max_length: int | None = None
    ) -> list[list[int]]:
        """audio (B, M, A) -> the ids that are written for each, without those around them.

        The language of all of them is that of the first, unless it is known. There are
        ``max_length`` at most, the end among them; as many as the model takes unless given.
        """
        *begun, bos = self._begin(audio)
        marks: dict[str, Any] = {
            "bos": bos,
            "eos": min(self.ids.ends),
            "pad": min(self.ids.ends),
            "banned": self.ids.suppressed,
            "banned_first": self.ids.suppressed_first,
            "max_length": max_length or self.model.config.max_length,
        }
        return search(Begun(self.model, begun), audio, **marks)

    def whole(self, audio: Array, ids: Iterable[int]) -> list[int]:
        """The ids of what is said in audio (1, M, A), with those that begin and end it."""
        return [*self._begin(audio), *ids, min(self.ids.ends)]

    def _begin(self, audio: Array) -> list[int]:
        """What texts begin with, in the language of the first of audio (B, M, A)."""
        if self._language is None and self.ids.languages:
            self._language = self._told(audio[:1])
        return self.ids.begin(self._language, self.task)

    def _told(self, audio: Array) -> int:
        """The language that the model finds likeliest for a piece (1, M, A)."""
        state = self.model.start(audio)
        logits = self.model.step(np.array([self.ids.start]), state)[0]  # (V,)
        return max(self.ids.languages.values(), key=lambda each: float(logits[each]))
