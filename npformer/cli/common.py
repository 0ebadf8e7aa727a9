"""What several commands do alike: load a trained model for either engine, read and print text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from npformer.config import RunConfig
from npformer.errors import CheckpointError, NpformerError, ShapeError, TokenizerError
from npformer.models.transformer import Transformer
from npformer.text.tokenizer import EOS, Tokenizer
from npformer.train.checkpoint import Checkpoint
from npformer.train.run_directory import load_checkpoint

EngineName = Literal["numpy", "torch"]


class Loaded(NamedTuple):
    """A trained model, ready to translate."""

    model: Any
    """The NumPy Transformer, or its twin: both have ``start``, ``step`` and ``select``."""
    tokenizer: Tokenizer
    config: RunConfig
    checkpoint: Checkpoint


def load_model(path: Path, engine: EngineName = "numpy") -> Loaded:
    """The model of a run's directory, or of one checkpoint, on either engine.

    The checkpoint may come from the other engine. Raises ``CheckpointError``; a warning, of a
    damaged checkpoint that was passed over, goes to standard error.
    """
    checkpoint, warning = load_checkpoint(path)
    if warning:
        print(f"npformer: warning: {warning}", file=sys.stderr)
    tokenizer = Tokenizer.load(checkpoint.tokenizer_path)
    if tokenizer.vocab_size != checkpoint.config.model.vocab_size:
        raise CheckpointError(
            f"{checkpoint.path} has a tokenizer of {tokenizer.vocab_size} entries and a model of "
            f"{checkpoint.config.model.vocab_size}; they do not belong together"
        )
    build = _torch_model if engine == "torch" else _numpy_model
    try:
        model = build(checkpoint)
    except ShapeError as error:
        raise CheckpointError(
            f"{checkpoint.path} has weights of another configuration than its config.json: {error}"
        ) from error
    return Loaded(model, tokenizer, checkpoint.config, checkpoint)


def _numpy_model(checkpoint: Checkpoint) -> Transformer:
    config = checkpoint.config
    model = Transformer(
        config.model, rng=np.random.default_rng(0), dtype=np.dtype(config.train.dtype)
    )
    model.load_state_dict(checkpoint.weights)
    return model


def _torch_model(checkpoint: Checkpoint) -> Any:
    import torch

    from torch_ref.bridge import to_torch
    from torch_ref.models.transformer import Transformer as Twin

    config = checkpoint.config
    device = "cuda" if torch.cuda.is_available() else "cpu"
    twin = Twin(config.model, dtype=getattr(torch, config.train.dtype), device=device).eval()
    to_torch(checkpoint.weights, twin)
    twin.run_steps(static=device == "cuda")
    return twin


def check_characters(tokenizer: Tokenizer, text: str) -> None:
    """Raise ``TokenizerError`` if the text has characters that are nowhere in the vocabulary.

    A byte-level vocabulary has every character. In the others the model would see no more than
    that something unknown is there.
    """
    if tokenizer.kind == "bpe":
        return
    known = set("".join(tokenizer.tokens(range(EOS + 1, tokenizer.vocab_size))))
    if unknown := sorted({c for c in text if not c.isspace() and c not in known}):
        shown = ", ".join(map(repr, unknown[:5])) + (", ..." if len(unknown) > 5 else "")
        raise TokenizerError(
            f"the model's {tokenizer.kind} vocabulary has no {shown}; leave such characters out, "
            "or train with --tokenizer bpe, which can write any text"
        )


def read_text(file: Path | None) -> str:
    """The UTF-8 text of a file, or of standard input. ``NpformerError`` if it is not text."""
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
