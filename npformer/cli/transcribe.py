"""``npformer transcribe``: what is said in a recording, by a loaded model that hears."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from npformer.audio import read_audio
from npformer.audio.log_mel import RATE
from npformer.cli.arguments import UsageError
from npformer.cli.common import named, note
from npformer.cli.figures import STANDARD_OUTPUT, reporter, write_figures
from npformer.decode.transcriber import Transcriber
from npformer.pretrained.run import generation_of
from npformer.train.engines import EngineName, load_model


@dataclass(frozen=True)
class Command:
    """Write what is said in a recording: a WAV file, or with the extra audio FLAC, MP3 or Ogg.

    The model is one that hears, such as Whisper, of which npformer load makes a run. It hears one
    channel of 16,000 samples a second: channels are averaged, and another rate is changed to that
    one by the extra audio.

    A recording of more than 30 seconds is heard in pieces, each cut in the quietest place of its
    last five seconds. Every piece is written by itself, knowing nothing of those before it, and
    the texts are joined by a space. A piece without any sound has no text.

    Without --language a model of several tells it by the first piece. --translate writes English
    whatever is spoken.

    Examples:
      npformer load downloads/whisper-tiny.en runs/whisper
      npformer transcribe runs/whisper recording.wav
      npformer transcribe runs/whisper interview.wav --language de --json interview.json
    """

    run: tyro.conf.Positional[Path]
    """A run's directory, or one checkpoint in it."""
    recording: tyro.conf.Positional[Path]
    """The file of the recording."""
    language: str | None = None
    """What is spoken, as a code: en, de."""
    translate: tyro.conf.FlagCreatePairsOff[bool] = False
    """Write English, whatever is spoken."""
    beam: int = 1
    """Hypotheses kept at each step; 1 is greedy decoding."""
    engine: EngineName = "numpy"
    """The hand-written model, or the PyTorch twin; both read the same checkpoints."""
    json: Path | None = None
    """Also write the text, and that of each piece with its times, to this file; - is standard
    output, in place of the text."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but the text, warnings and errors."""

    def __call__(self) -> int:
        """The exit status; raises ``UsageError`` for a beam below 1."""
        if self.beam < 1:
            raise UsageError(f"--beam is {self.beam}; it must be 1 or more")
        reporter(self.json)  # refuses a file that cannot be, before any work
        samples = read_audio(self.recording)
        loaded = load_model(self.run, self.engine)
        task: Literal["translate", "transcribe"] = "translate" if self.translate else "transcribe"
        transcriber = Transcriber(
            loaded.model,
            loaded.tokenizer,
            generation_of(loaded.checkpoint),
            language=self.language,
            task=task,
        )
        pieces, written = [], False
        for piece in transcriber.transcribe(samples, beam=self.beam):
            if self.json != STANDARD_OUTPUT and piece.text:
                print(f" {piece.text}" if written else piece.text, end="", flush=True)
                written = True
            pieces.append(piece)
        if self.json != STANDARD_OUTPUT:
            print(flush=True)
        figures = {
            "checkpoint": str(loaded.checkpoint.path),
            "engine": self.engine,
            "recording": str(self.recording),
            "seconds": len(samples) / RATE,
            "language": transcriber.language,
            "task": task,
            "text": " ".join(piece.text for piece in pieces if piece.text),
            "pieces": [piece._asdict() for piece in pieces],
        }
        write_figures(self.json, "transcribe", figures)
        if loaded.checkpoint.why and not self.quiet:
            note(f"written by {named(loaded)}")
        return 0
