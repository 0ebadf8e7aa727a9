"""``npformer explore``: one HTML file to look inside a model while it reads one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from npformer.cli.common import named, origin, read_along, read_texts
from npformer.cli.figures import reporter
from npformer.errors import NpformerError, install
from npformer.explorer import build_page
from npformer.explorer.nodes import Errors
from npformer.explorer.sentence import one_pair
from npformer.files.atomic import write_file
from npformer.train.engines import Loaded, load_model


@dataclass(frozen=True)
class Command:
    """Write one HTML file in which to look inside a model, forwards and backwards.

    The file needs no network and no server: open it in a browser. It shows, for one sentence and
    its translation,

      each step of the forward, then of the backward: formula, source, tensors and gradients
      for each token what every head attends to, and what its loss's gradient reaches
      for each target position how the gradient of its loss comes down through the model

    With PyTorch installed it also shows how far each node is from the twin, in rounding units.
    The target is the model's own translation unless you give one.

    Examples:
      npformer explore --checkpoint runs/demo --text "The old man does not see the red car."
      npformer explore --checkpoint runs/demo --text "She sleeps." --target "Sie schläft."
      npformer explore --checkpoint runs/demo/averaged --text "It rains." --out rain.html
    """

    checkpoint: Path
    """A run's directory, or one checkpoint in it."""
    text: str
    """The sentence to read."""
    target: str | None = None
    """The translation to read along; the model's own unless given."""
    out: Path = Path("explorer.html")
    """The file to write; an older one is replaced."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but warnings and errors."""

    def __call__(self) -> int:
        loaded = load_model(self.checkpoint)
        self._check_out()
        target = read_along(loaded, self.text, self.target)
        errors = measured_errors(loaded, self.text, target)
        against = origin(loaded, self.target)
        page = build_page(
            loaded.model, loaded.tokenizer, self.text, target, errors=errors, against=against
        )
        content = page.encode()
        try:
            write_file(self.out, content)
        except OSError as error:
            raise NpformerError(f"cannot write {self.out}: {error.strerror or error}") from error
        console = reporter(None, self.quiet)
        told = [
            read_texts(loaded, self.text, target),
            f"The loss is against {against}.",
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


def measured_errors(loaded: Loaded, text: str, target: str) -> Errors | None:
    """Module path -> the NumPy model's errors against the twin; None without PyTorch."""
    try:
        import torch

        from npformer.verify import node_errors
        from torch_ref.bridge import to_torch
        from torch_ref.models import make_twin
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("torch", "hypothesis"):
            raise
        return None
    config = loaded.config
    twin = make_twin(config.model, dtype=getattr(torch, config.train.dtype), device="cpu").eval()
    to_torch(loaded.model.state_dict(), twin)
    return node_errors(loaded.model, twin, one_pair(loaded.model, loaded.tokenizer, text, target))
