"""A model and its tokenizer as a translator of sentences and of whole texts.

Chapter     walkthroughs/12_decoding.md
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from npformer.decode.beam import beam as beam_search
from npformer.decode.rollout import Begun, CachedModel
from npformer.errors import ConfigError, NpformerError
from npformer.ops.array import Array
from npformer.text.document import Document
from npformer.text.sentences import Splitter
from npformer.text.tokenizer import PAD

_SPACES = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*| {2,}")
"""Line breaks and runs of spaces that a model has written."""

Search = Callable[[Array], list[list[int]]]
"""source (B, S) ids, padded -> one list of ids a row, without those that begin and end it."""


class TextCodec(Protocol):
    """What a translator asks of a tokenizer; ``npformer.text.tokenizer.Tokenizer`` answers."""

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, without special ids."""

    def decode(self, ids: list[int]) -> str:
        """The text of ``ids``."""

    def source(self, ids: Iterable[int]) -> list[int]:
        """The ids of a source, from those of its text alone."""

    @property
    def begin(self) -> Sequence[int]:
        """The ids that a translation begins with, which are not part of it."""

    @property
    def ends(self) -> Collection[int]:
        """Ids that end a text; a translation ends with the smallest."""


class Translator:
    """Translates in batches of sentences of similar length, with beam search unless told.

    ``model`` is the NumPy Transformer or its twin; ``tokenizer`` the one it was trained with.
    ``source_language`` tells the sentence splitter whose abbreviations to expect. Raises
    ``ConfigError`` for a model that reads no source.
    """

    def __init__(
        self, model: CachedModel, tokenizer: TextCodec, *, source_language: str = "en"
    ) -> None:
        if "source" not in getattr(model, "streams", ("source",)):
            raise ConfigError(
                "this model reads no source, so it cannot translate; give one that does, such as a "
                "run of --model transformer, or go on with a text by npformer generate"
            )
        if not tokenizer.begin:
            raise ConfigError(
                "what this model writes begins with its language, which no file of it names; "
                "give its generation_config.json a forced_bos_token_id, and load it again"
            )
        self.model = model
        self.tokenizer = tokenizer
        self.source_language = source_language

    def translate_sentences(
        self,
        sentences: Sequence[str],
        *,
        beam: int = 4,
        alpha: float = 0.6,
        search: Search | None = None,
        batch_tokens: int = 4096,
    ) -> list[str]:
        """One translation a sentence, in the order given; a blank sentence gives "".

        ``beam`` and ``alpha`` are those of ``npformer.decode.beam``; ``search``, if given, is
        called in its place, to sample for example. A batch holds as many sentences as fit in
        ``batch_tokens`` source positions, padding and all hypotheses counted, and at least one.
        A translation is one line, without two spaces in a row. Raises ``NpformerError`` for a
        sentence longer than the model accepts.
        """
        if batch_tokens < 1:
            raise ConfigError(f"batch_tokens is {batch_tokens}; it must be 1 or more")
        if search is None:
            search = self._beam(beam, alpha)
        encoded = self._encode(sentences)
        translations = [""] * len(sentences)
        for rows in batches([len(ids) for ids in encoded], batch_tokens // max(beam, 1)):
            source = padded([encoded[row] for row in rows], self.marks["pad"])
            for row, tokens in zip(rows, search(source), strict=True):
                translations[row] = _SPACES.sub(" ", self.tokenizer.decode(tokens)).strip()
        return translations

    def translate(
        self,
        text: str,
        *,
        beam: int = 4,
        alpha: float = 0.6,
        search: Search | None = None,
        batch_tokens: int = 4096,
        splitter: Splitter = "regex",
        lines: bool | None = None,
    ) -> str:
        """Split ``text`` into paragraphs and sentences, translate each, and join them again.

        ``lines`` keeps every line a line, False joins those that an editor has wrapped, and None
        does so only where blank lines separate paragraphs. All sentences of the text share
        batches. Raises as ``translate_sentences`` and ``Document.read``.
        """
        document = Document.read(text, self.source_language, lines=lines, splitter=splitter)
        return document.joined(
            self.translate_sentences(
                document.sentences, beam=beam, alpha=alpha, search=search, batch_tokens=batch_tokens
            )
        )

    def lengths(self, sentences: Sequence[str]) -> list[int]:
        """How many positions of the model each sentence takes, its end token counted."""
        encoded = self.tokenizer.encode_batch(sentences)
        return [len(self.tokenizer.source(ids)) for ids in encoded]

    @property
    def marks(self) -> dict[str, Any]:
        """What a search is told: the ids ``bos``, ``eos`` and ``pad``."""
        pad = getattr(self.model.config, "padding_id", PAD)
        return {"bos": self.tokenizer.begin[-1], "eos": min(self.tokenizer.ends), "pad": pad}

    @property
    def searched(self) -> CachedModel:
        """The model, as a search that begins with ``bos`` is to see it."""
        *ids, _ = self.tokenizer.begin
        return Begun(self.model, ids) if ids else self.model

    def _beam(self, beam: int, alpha: float) -> Search:
        model, marks = self.searched, self.marks
        return lambda source: beam_search(model, source, **marks, beam=beam, alpha=alpha)

    def _encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """Each sentence's ids with those around it; none for a blank sentence."""
        limit = self.model.config.max_length
        encoded = []
        for number, (text, ids) in enumerate(
            zip(sentences, self.tokenizer.encode_batch(sentences), strict=True), 1
        ):
            whole = self.tokenizer.source(ids)
            if len(whole) > limit:
                shown = text if len(text) <= 60 else text[:57] + "..."
                raise NpformerError(
                    f"sentence {number} ({shown!r}) has {len(whole)} tokens with its end "
                    f"token; the model takes {limit} at most: shorten or split the sentence"
                )
            encoded.append(whole if text.strip() else [])
        return encoded


def batches(lengths: list[int], budget: int) -> Iterator[list[int]]:
    """Indices of the sentences that are not empty, longest first, cut to ``budget`` positions."""
    order = sorted((i for i, n in enumerate(lengths) if n), key=lambda i: -lengths[i])
    while order:
        size = max(1, budget // lengths[order[0]])
        yield order[:size]
        order = order[size:]


def padded(rows: Sequence[Sequence[int]], pad: int) -> Array:
    """Lists of ids -> (B, S), ``pad`` on the right."""
    block = np.full((len(rows), max(map(len, rows))), pad, dtype=np.int64)
    for row, ids in zip(block, rows, strict=True):
        row[: len(ids)] = ids
    return block
