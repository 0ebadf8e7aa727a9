"""What ``attention``, ``bisect`` and ``explore`` look into: a text, a pair of them, a recording."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from npformer.audio import log_mel, read_audio
from npformer.audio.log_mel import HOP, RATE
from npformer.cli.arguments import UsageError
from npformer.cli.common import check_characters, predicts_tokens
from npformer.decode import Translator
from npformer.decode.transcriber import Transcriber
from npformer.errors import NpformerError
from npformer.inspect import Reading, read_pair, read_recording
from npformer.pretrained.run import generation_of
from npformer.train.engines import Loaded


class Read(NamedTuple):
    """What a model reads, and what the loss is against."""

    reading: Reading
    against: str

    @property
    def texts(self) -> str:
        """What is read, a line each."""
        return "\n".join(text for text in (self.reading.source, self.reading.target) if text)


def read(
    loaded: Loaded, text: str | None, recording: Path | None, target: str | None = None
) -> Read:
    """A model that hears reads a recording, others a text, and along with it the target.

    The ``target`` is the model's own translation, or what it hears, unless it is given; a model
    without a source reads the text itself. Raises ``UsageError`` for a text in place of a recording
    or the other way round, ``NpformerError`` for a text of nothing, or too long, or written as
    nothing, and ``TokenizerError`` as ``check_characters``.
    """
    if loaded.model.heard:
        if recording is None or text is not None:
            raise UsageError("this model hears, and reads no text; give it a --recording, a file")
        return _recording(loaded, recording, target)
    if text is None or recording is not None:
        raise UsageError("this model hears nothing; give it a --text to read")
    return _texts(loaded, text, target)


def _texts(loaded: Loaded, text: str, target: str | None) -> Read:
    if not text.strip():
        raise NpformerError("the text is empty; there is nothing to look into")
    check_characters(loaded.tokenizer, f"{text}{target or ''}")
    against = "the translation given"
    if target is None and "source" not in loaded.model.streams:
        target, against = text, "the text itself"
        if not predicts_tokens(loaded.model):
            against = "a random direction, in which its vector is measured"
    elif target is None:
        (target,) = Translator(loaded.model, loaded.tokenizer).translate_sentences([text])
        against = "the model's own translation, which it finds likely (--target gives another)"
        if not target.strip():
            raise NpformerError(
                "the model translates this text to nothing; give a translation with --target"
            )
    return Read(read_pair(loaded.model, loaded.tokenizer, text, target), against)


def _recording(loaded: Loaded, recording: Path, target: str | None) -> Read:
    samples, config = read_audio(recording), loaded.model.config
    seconds, longest = len(samples) / RATE, config.frames * HOP / RATE
    if seconds > longest:
        raise NpformerError(
            f"{recording} has {seconds:.1f} seconds; the model hears {longest:g} at once: cut it"
        )
    frames = log_mel(samples, config.mels, config.frames)
    writer = Transcriber(loaded.model, loaded.tokenizer, generation_of(loaded.checkpoint))
    if target is None:
        room = config.max_length + 1 - len(writer.whole(frames[None], ()))
        (ids,) = writer.tokens(frames[None], max_length=room)
        against = "what the model itself hears, which it finds likely (--target gives another)"
    else:
        check_characters(loaded.tokenizer, target)
        ids, against = loaded.tokenizer.encode(f" {target.strip()}"), "the text given"
    reading = read_recording(
        loaded.model,
        frames,
        writer.whole(frames[None], ids),
        source=recording.name,
        target=loaded.tokenizer.decode(ids).strip(),
        seconds=seconds,
        longest=longest,
    )
    return Read(reading, against)
