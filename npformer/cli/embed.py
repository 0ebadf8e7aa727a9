"""``npformer embed``: a vector for each text, by a loaded encoder."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from npformer.cli.arguments import UsageError
from npformer.cli.common import check_characters, named, note, note_unknown, read_text
from npformer.decode.vectors import text_vectors
from npformer.errors import ConfigError, counted
from npformer.files.atomic import write_file
from npformer.train.engines import EngineName, load_model

ARRAY = ".npy"


@dataclass(frozen=True)
class Command:
    """Give each text a vector: of texts that mean the same, vectors point the same way.

    The texts come from the command line or, one a line, from --file. Vectors are written to
    standard output as lines of JSON, {"text": ..., "vector": [...]}, or to --out, where a name in
    .npy means one array with a row for each text. They have length 1, as the model's files say,
    so that the product of two is their cosine. The model is one that reads a text whole, such as
    a BERT; npformer load makes a run of it.

    Examples:
      npformer load downloads/all-MiniLM-L6-v2 runs/minilm
      npformer embed runs/minilm "A dog barks." "Ein Hund bellt."
      npformer embed runs/minilm --file sentences.txt --out vectors.npy
    """

    run: tyro.conf.Positional[Path]
    """A run's directory, or one checkpoint in it."""
    text: tyro.conf.Positional[tuple[str, ...]] = ()
    """The texts; without any, those of --file."""
    file: Path | None = None
    """Read texts from this file, one a line; - is standard input."""
    out: Path | None = None
    """Write to this file: one array if its name ends in .npy, else lines of JSON."""
    engine: EngineName = "numpy"
    """The hand-written model, or the PyTorch twin; both read the same checkpoints."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but the vectors, warnings and errors."""

    def __call__(self) -> int:
        """The exit status; raises ``UsageError`` unless texts or a file are given.

        Raises ``ConfigError`` for a file without lines.
        """
        if bool(self.text) == (self.file is not None):
            raise UsageError("give texts on the command line, or a file of them with --file")
        texts = list(self.text) if self.file is None else read_text(self.file).splitlines()
        if not texts:
            raise ConfigError(f"{self.file} has no lines, so there is no text")
        loaded = load_model(self.run, self.engine)
        model, tokenizer, _, checkpoint = loaded
        check_characters(tokenizer, "\n".join(texts))
        if not self.quiet:
            note_unknown(tokenizer, "\n".join(texts))
        vectors = text_vectors(model, tokenizer, texts)
        if self.out is not None and self.out.suffix == ARRAY:
            buffer = io.BytesIO()
            np.save(buffer, vectors)
            write_file(self.out, buffer.getvalue())
        else:
            lines = "".join(
                json.dumps({"text": text, "vector": row.tolist()}, ensure_ascii=False) + "\n"
                for text, row in zip(texts, vectors, strict=True)
            )
            if self.out is None:
                print(lines, end="", flush=True)
            else:
                write_file(self.out, lines.encode())
        if self.out is not None and not self.quiet:
            note(f"{counted(len(texts), 'vector')} of {vectors.shape[1]} numbers in {self.out}")
        elif checkpoint.why and not self.quiet:
            note(f"embedded by {named(loaded)}")
        return 0
