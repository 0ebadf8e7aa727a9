"""``npformer export``: a loaded model in the files that it came in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from npformer.cli.common import note
from npformer.cli.figures import reporter
from npformer.errors import counted
from npformer.pretrained.run import check_free, export
from npformer.text.published_tokenizer import load_tokenizer
from npformer.train.run_directory import load_checkpoint


@dataclass(frozen=True)
class Command:
    """Write a loaded model as a directory that the transformers library loads.

    The directory gets config.json, model.safetensors and the tokenizer's files, with the names that
    the library has for everything; the weights are those of the run, in its precision, with
    adapters merged into them.

    Examples:
      npformer export runs/smollm2 exported/smollm2
    """

    run: tyro.conf.Positional[Path]
    """A run that npformer load has written, or one checkpoint of it."""
    directory: tyro.conf.Positional[Path]
    """The directory to write; it must not exist."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but warnings and errors."""

    def __call__(self) -> int:
        check_free(self.directory)
        checkpoint, warning = load_checkpoint(self.run)
        if warning:
            note(f"warning: {warning}")
        count = export(checkpoint, load_tokenizer(checkpoint.tokenizer_path), self.directory)
        adapted = ", adapters merged into them" if checkpoint.config.adapters.lora else ""
        if getattr(checkpoint.config.model, "weight_bits", None) is not None:
            adapted += ", floats that are not rounded yet"
        said = f"{self.directory}: {counted(count, 'tensor')}{adapted}"
        reporter(None, self.quiet).out(said, highlight=False)
        return 0
