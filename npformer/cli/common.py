"""What several commands do alike: read text, and refuse what a model cannot read."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from npformer.config import ModelConfig
from npformer.errors import ConfigError, NpformerError, TokenizerError, counted
from npformer.models import family
from npformer.models.model import Model
from npformer.text.tokenizer import EOS, KINDS, MASK, Tokenizer
from npformer.text.unknown import listed, unknown
from npformer.train.engines import Loaded
from npformer.train.run_directory import recommendation

KINDS_WITHOUT_BYTES = ("word", "char")
"""Vocabularies in which a character may be absent."""


def check_characters(tokenizer: Tokenizer, text: str) -> None:
    """Raise ``TokenizerError`` if the text has characters that are nowhere in the vocabulary.

    A byte-level vocabulary has every character. In the others the model would see no more than
    that something unknown is there.
    """
    if tokenizer.kind not in KINDS_WITHOUT_BYTES:
        return
    known = set("".join(tokenizer.tokens(range(EOS + 1, tokenizer.vocab_size))))
    if absent := Counter(c for c in text if not c.isspace() and c not in known):
        raise TokenizerError(
            f"the model's {tokenizer.kind} vocabulary has no {listed(absent)}; leave such "
            "characters out, or train with --tokenizer bpe, which can write any text"
        )


def note_unknown(tokenizer: Tokenizer, text: str) -> None:
    """Say once, on standard error, what of a text the vocabulary does not know, if anything."""
    if tokenizer.kind not in KINDS or not (found := unknown(tokenizer, text)):
        return
    count, kind = found.total(), "word" if tokenizer.kind == "word" else "character"
    if tokenizer.kind == "bpe":
        said = f"in no token of the model's vocabulary: {listed(found)}; it reads their bytes"
    else:
        said = f"not in the model's vocabulary: {listed(found)}; it reads each as unknown"
    note(f"{counted(count, kind)} of the text {'is' if count == 1 else 'are'} {said}")


def note(message: str) -> None:
    """One line on standard error."""
    print("npformer:", " ".join(message.split()), file=sys.stderr)


def check_reads(loaded: Loaded) -> None:
    """Raise ``ConfigError`` for a model that hears and is given a text."""
    if family(loaded.config.model.family).heard:
        raise ConfigError(
            "this model hears, and reads no text; for what is said in a recording: npformer "
            f"transcribe {loaded.checkpoint.path} recording.wav"
        )


def recommended(run: Path) -> list[str]:
    """What stands at the end of a run: its checkpoints with their figures, the one to use first."""
    advice = recommendation(run)
    reason = advice.reason()
    headings = ["recommended" if reason else "checkpoint", *["or"] * len(advice.candidates)]
    width = max((len(str(candidate.path)) for candidate in advice.candidates), default=0)
    lines = [
        f"{heading:<13}{one.path!s:<{width}}  {one.what}, {one.figures()}"
        for heading, one in zip(headings, advice.candidates, strict=False)
    ]
    return [*lines, f"because      {reason}"] if reason else lines


def named(loaded: Loaded) -> str:
    """The checkpoint that a model is of; if the user named its run alone, also why it is that."""
    path, why = loaded.checkpoint.path, loaded.checkpoint.why
    return f"{path} ({why})" if why else str(path)


def what_to_try(config: ModelConfig, run: Path) -> str:
    """A command for a finished run: what its model is for, with a text."""
    model = family(config.family)
    command, text = "translate" if "source" in model.streams else "generate", "Some text."
    if not model.decodes:
        command, text = ("fill", f"Some {MASK}.") if _predicts(config) else ("embed", text)
    if model.heard:
        return f"npformer transcribe {run} recording.wav"
    return f'npformer {command} {run} "{text}"'


def predicts_tokens(model: Model) -> bool:
    """Whether it has logits, and so a loss; one that sees a text whole may give vectors alone."""
    return bool(getattr(model.config, "masked_head", True))


def _predicts(config: ModelConfig) -> bool:
    """Whether a model that sees a text whole predicts hidden tokens."""
    return bool(getattr(config, "masked_head", False))


def read_text(file: Path | None) -> str:
    """The UTF-8 text of a file, or of standard input. Raises ``NpformerError`` if it is not."""
    content = sys.stdin.buffer.read() if file is None else file.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        name = "standard input" if file is None else str(file)
        line = content[: error.start].count(b"\n") + 1
        raise NpformerError(
            f"{name} is not UTF-8 text: line {line} has the byte 0x{content[error.start]:02x}; "
            "save it as UTF-8"
        ) from error
