"""``npformer bisect``: where a changed copy of the model first parts from the original."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro

from npformer.cli.arguments import UsageError
from npformer.cli.figures import reporter, write_figures
from npformer.cli.reading import read
from npformer.errors import NpformerError, VerifyError, nearest
from npformer.train.engines import Loaded, load_model

FOUND = 1
Against = Literal["torch", "numpy"]


@dataclass(frozen=True)
class Command:
    """Name the first activation and the first gradient that are wrong, by module and operation.

    Two implementations of one model read the same sentence and its translation, or a recording and
    what is said in it, forward, loss and backward. Every call of the first is judged by the inputs
    that it saw itself: what arrives wrong is not its mistake. So the line that is named is the one
    to look at, and nothing below it that merely passes the error on.

    Without more, the NumPy model is walked beside its PyTorch twin, which finds nothing.
    --implementation names a class of yours in the NumPy model's place, or in the twin's: a
    subclass, or a copied and edited file. It is built as the original is, from the model's
    configuration, and gets the checkpoint's weights. --plant puts a known mistake into one module,
    to see how it is found.

    The table: "its own" is the error of the call itself in rounding units, multiples of the
    rounding that it cannot avoid; "so far" is how far the two runs are apart there, as a part of
    the size of the array. Exit status: 0 if nothing is wrong, 1 if something is, 2 for bad input.

    Examples:
      npformer bisect --checkpoint runs/demo --text "She sleeps."
      npformer bisect --checkpoint runs/demo --text "She sleeps." --implementation mine:MyModel
      npformer bisect --checkpoint runs/demo --text "Hi." --plant cross_entropy/sign --at loss
    """

    checkpoint: Path
    """A run's directory, or one checkpoint in it."""
    text: str | None = None
    """The sentence to read."""
    recording: Path | None = None
    """In its place the file of a sound, for a model that hears."""
    target: str | None = None
    """The translation to read along, or what is said; the model's own unless given."""
    implementation: str | None = None
    """MODULE:CLASS of your model; the module may be in the working directory."""
    plant: str | None = None
    """A mutant to put into the NumPy model, by its name in verify --mutants; goes with --at."""
    at: str | None = None
    """The module's path, such as decoder.layers.0.cross_attn, or loss."""
    against: Against = "torch"
    """The reference: the PyTorch twin, or the NumPy model."""
    dropout: int | None = None
    """A seed for dropout, which is then drawn alike on both sides; none unless given."""
    label_smoothing: float | None = None
    """Of the loss; the run's own unless given."""
    every_call: tyro.conf.FlagCreatePairsOff[bool] = False
    """A row in the table for every call."""
    json: Path | None = None
    """Also write findings and growth to this file; - is standard output."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but warnings and errors."""

    def __call__(self) -> int:
        """The exit status; raises ``UsageError`` for options out of range or at odds."""
        if (self.plant is None) != (self.at is None):
            raise UsageError("--plant and --at go together: a mutant, and where to put it")
        if self.plant is not None and self.implementation is not None:
            raise UsageError("--plant puts a mistake into the NumPy model; leave --implementation")
        smoothing = self.label_smoothing
        if smoothing is not None and not 0 <= smoothing < 1:
            raise UsageError(f"--label-smoothing is {smoothing:g}; it must be in [0, 1)")
        if self.dropout is not None and self.dropout < 0:
            raise UsageError(f"--dropout is {self.dropout}; it must be 0 or more, a seed")
        # These need PyTorch, whose import takes seconds; --help and a wrong option do without.
        from npformer.verify.bisect import bisect
        from npformer.verify.lockstep.plant import find_mutant, plant

        mutant = None if self.plant is None else find_mutant(self.plant)
        cls = None if self.implementation is None else find_class(self.implementation)
        loaded = load_model(self.checkpoint, keeps_freed_memory=False)
        read_now = read(loaded, self.text, self.recording, self.target)
        batch = read_now.reading.batch
        if smoothing is None:
            smoothing = loaded.config.train.label_smoothing

        ours = loaded.model if cls is None else build(cls, self.implementation or "", loaded)
        reference = loaded.model if self.against == "numpy" else _twin(loaded)
        options: dict[str, Any] = {"label_smoothing": smoothing, "seed": self.dropout}
        if mutant is None:
            found = bisect(ours, reference, batch, **options)
        else:
            with plant(mutant, ours, self.at or "") as loss:
                found = bisect(ours, reference, batch, loss=loss, **options)

        console = reporter(self.json, self.quiet)
        said = f"{read_now.texts}\nThe loss is against {read_now.against}.\n"
        console.print(said, highlight=False, markup=False, soft_wrap=True)
        console.print(found.table(every_call=self.every_call))
        console.print()
        console.print(str(found), highlight=False, markup=False, soft_wrap=True)
        if mutant is not None:
            planted = f"Planted: {mutant.name} at {self.at}: {mutant.wrong}."
            if found.passed:
                planted += " With these texts it changes nothing there."
            console.print(planted, highlight=False, markup=False, soft_wrap=True)
        write_figures(self.json, "bisect", found.to_dict())
        return 0 if found.passed else FOUND


def find_class(name: str) -> Any:
    """``my_module:MyTransformer`` -> the class; the working directory is searched too.

    Raises UsageError for another form, VerifyError for what cannot be imported or is no class.
    """
    module_name, colon, class_name = name.partition(":")
    if not colon or not module_name or not class_name:
        raise UsageError(
            f"--implementation is {name!r}; it must be MODULE:CLASS, such as my_model:MyTransformer"
        )
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise _not_importable(module_name, error) from error
        raise VerifyError(
            f"there is no module {module_name!r} here or among the installed ones"
        ) from error
    except Exception as error:
        raise _not_importable(module_name, error) from error
    finally:
        sys.path.remove(here)
    if not isinstance(found := getattr(module, class_name, None), type):
        classes = [n for n, value in vars(module).items() if isinstance(value, type)]
        raise VerifyError(
            f"module {module_name!r} has no class {class_name!r}{nearest(class_name, classes)}"
        )
    return found


def build(cls: Any, name: str, loaded: Loaded) -> Any:
    """The user's model, built as the original is and with its weights.

    Raises VerifyError if it cannot be built so.
    """
    import torch

    config = loaded.config
    try:
        if issubclass(cls, torch.nn.Module):
            model = cls(config.model, dtype=getattr(torch, config.train.dtype))
        else:
            dtype = np.dtype(config.train.dtype)
            model = cls(config.model, rng=np.random.default_rng(0), dtype=dtype)
    except NpformerError:
        raise
    except Exception as error:
        raise VerifyError(
            f"{name} cannot be built as the original is: {type(error).__name__}: {error}"
        ) from error
    if isinstance(model, torch.nn.Module):
        from torch_ref.bridge import to_torch

        to_torch(loaded.model.state_dict(), model)
    elif hasattr(model, "load_state_dict"):
        model.load_state_dict(loaded.model.state_dict())
    return model


def _twin(loaded: Loaded) -> Any:
    import torch

    from torch_ref.models import make_twin

    return make_twin(loaded.config.model, dtype=getattr(torch, loaded.config.train.dtype))


def _not_importable(name: str, error: Exception) -> VerifyError:
    return VerifyError(f"module {name!r} cannot be imported: {type(error).__name__}: {error}")
