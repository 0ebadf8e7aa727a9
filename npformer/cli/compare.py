"""``npformer compare``: a published model in NumPy beside the library it was published for."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro

from npformer.cli.figures import reporter, write_figures
from npformer.errors import CheckpointError, require
from npformer.pretrained import Pretrained, from_pretrained

PARTED = 1


@dataclass(frozen=True)
class Command:
    """Compare a published model with the transformers library, forward and backward.

    Both read the text and get the same random gradient of their logits, or of the last states of a
    model that gives vectors. A model that reads a source, or hears one, and writes a target is
    compared on the first 12 tokens that it writes. Of every module the table
    has the error of its output, of the gradient that arrives there, and of its weight's gradient,
    each relative to the library's largest entry; below it the worst gradient of all parameters is
    named, and where the two part first, if they do. The library runs in float64, with nothing in
    it left in float32, so that the same means 1e-9.

    It needs PyTorch and the library (the extra marian), and some 50 bytes of memory for each
    parameter; --dtype float32 takes half, and tells less. Exit status: 0 if both are the same, 1 if
    not, 2 for bad input.

    Examples:
      npformer compare downloads/SmolLM2-135M "The capital of France is Paris."
      npformer compare downloads/all-MiniLM-L6-v2 "A dog barks."
      npformer compare downloads/whisper-tiny.en recording.wav
      npformer compare downloads/gpt2 "It rains." --dtype float32 --json compared.json
    """

    source: tyro.conf.Positional[Path]
    """The directory of the published model."""
    text: tyro.conf.Positional[str]
    """What both read; of a model that hears, the file of a recording."""
    dtype: Literal["float64", "float32"] = "float64"
    """Precision of both runs."""
    seed: int = 0
    """Which random gradient."""
    json: Path | None = None
    """Also write the figures to this file; - is standard output."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but warnings and errors."""

    def __call__(self) -> int:
        console = reporter(self.json, self.quiet)
        require("torch")
        require("transformers")
        found = from_pretrained(self.source, self.dtype)
        # These need PyTorch, whose import takes seconds; a wrong source does without.
        from npformer.verify.published import compare, inputs_of
        from npformer.verify.true_float64 import exact

        inputs = inputs_of(found, self.text)
        with exact() if self.dtype == "float64" else nullcontext():
            model = library_model(found, self.dtype)
            comparison = compare(found, model, inputs, np.random.default_rng(self.seed))
        console.out(str(comparison), highlight=False)
        figures: dict[str, Any] = {
            "source": str(self.source),
            "passed": comparison.passed,
            "output": comparison.output,
            "error": comparison.error,
            "activation": comparison.activation,
            "gradient": comparison.gradient,
            "gradients": comparison.gradients,
            "modules": [row._asdict() for row in comparison.rows],
        }
        write_figures(self.json, "compare", figures)
        return 0 if comparison else PARTED


def library_model(found: Pretrained, dtype: str) -> Any:
    """The library's own model of the same files. Raises CheckpointError if it cannot load them."""
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        loader = getattr(transformers, found.family.library(found.model.config).loader)
        return loader.from_pretrained(
            found.source.path,
            dtype=getattr(torch, dtype),
            attn_implementation="eager",
            experts_implementation="eager",
            local_files_only=True,
        ).eval()
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"the library cannot load {found.source.path}: {reason}") from error
