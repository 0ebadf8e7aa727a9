"""``npformer explore``: one HTML file to look inside a model while it reads one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from npformer.cli.common import named, predicts_tokens
from npformer.cli.figures import reporter
from npformer.cli.reading import read
from npformer.errors import ConfigError, NpformerError, install
from npformer.explorer import build_page, chosen
from npformer.explorer.nodes import Errors
from npformer.files.atomic import write_file
from npformer.text.batches import Batch
from npformer.train.engines import Loaded, load_model


@dataclass(frozen=True)
class Command:
    """Write one HTML file in which to look inside a model, forwards and backwards.

    The file needs no network and no server: open it in a browser. It shows, for one sentence and
    its translation, or for a recording and what is said in it,

      the model as a drawing, whose parts can be opened
      each step of the forward, then of the backward: formula, source, tensors and gradients
      for a number in a tensor the row and the column whose product it is
      for each token what every head attends to, and what its loss's gradient reaches
      for each target position how the gradient of its loss comes down through the model

    What is chosen stands in the page's address, so that a link leads to it.

    With PyTorch installed it also shows how far each node is from the twin, in rounding units.
    The target is the model's own translation unless you give one. A page of a large model would be
    too large to open: it shows as many layers as fit into 8 MB, the first and the last among them,
    or those that you choose; of the others, how the gradient comes down through them.

    Examples:
      npformer explore --checkpoint runs/demo --text "The old man does not see the red car."
      npformer explore --checkpoint runs/demo --text "She sleeps." --target "Sie schläft."
      npformer explore --checkpoint runs/demo/averaged --text "It rains." --out rain.html
      npformer explore --checkpoint runs/smol --text "It rains." --layers 0 14 29 --heads 0 1
      npformer explore --checkpoint runs/whisper --recording sound.wav
    """

    checkpoint: Path
    """A run's directory, or one checkpoint in it."""
    text: str | None = None
    """The sentence to read."""
    recording: Path | None = None
    """In its place the file of a sound, for a model that hears."""
    target: str | None = None
    """The translation to read along, or what is said; the model's own unless given."""
    layers: tuple[int, ...] | None = None
    """Numbers of the layers to show, of each stack, from 0."""
    heads: tuple[int, ...] | None = None
    """Numbers of the heads to show, in every layer, from 0."""
    out: Path = Path("explorer.html")
    """The file to write; an older one is replaced."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but warnings and errors."""

    def __call__(self) -> int:
        """The exit status; raises ``NpformerError`` if the page cannot be written.

        Raises ``ConfigError`` for a model that predicts no token.
        """
        loaded = load_model(self.checkpoint, keeps_freed_memory=False)
        self._check_out()
        if not predicts_tokens(loaded.model):
            raise ConfigError(
                "this model predicts no token, so it has no loss to look into; npformer attention "
                "shows its heads, and npformer bisect judges every activation and gradient"
            )
        found = read(loaded, self.text, self.recording, self.target)
        choice = chosen(loaded.model, found.reading, self.layers, self.heads)
        errors = measured_errors(loaded, found.reading.batch)
        page = build_page(
            loaded.model,
            loaded.tokenizer,
            found.reading,
            choice=choice,
            errors=errors,
            against=found.against,
        )
        content = page.encode()
        try:
            write_file(self.out, content)
        except OSError as error:
            raise NpformerError(f"cannot write {self.out}: {error.strerror or error}") from error
        console = reporter(None, self.quiet)
        told = [
            found.texts,
            f"The loss is against {found.against}.",
            f"The model is {named(loaded)}.\n\n{self.out}  {len(content) / 1e6:.1f} MB",
        ]
        if errors is None:
            told.append(
                "Without PyTorch the page has no errors against it; for these, "
                f"{install('verify')} and then this again"
            )
        console.out("\n".join(told), highlight=False)
        return 0

    def _check_out(self) -> None:
        """Refuse at once, before seconds of work, a place where no file can be."""
        if self.out.is_dir():
            raise NpformerError(f"{self.out} is a directory; --out names the file to write")
        if not self.out.parent.is_dir():
            raise NpformerError(f"{self.out.parent} is no directory; make it first")


def measured_errors(loaded: Loaded, batch: Batch) -> Errors | None:
    """Module path -> the NumPy model's errors against the twin; None without PyTorch."""
    try:
        import torch

        from npformer.verify import node_errors
        from torch_ref.models import make_twin
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("torch", "hypothesis"):
            raise
        return None
    config = loaded.config
    twin = make_twin(config.model, dtype=getattr(torch, config.train.dtype), device="cpu").eval()
    return node_errors(loaded.model, twin, batch)
