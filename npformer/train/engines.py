"""The engines by name: which one trains, and which model translates with what it has learnt.

PyTorch is imported when its engine is asked for, here and in no other file of this folder.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from rich.console import Console

from npformer.config import RunConfig
from npformer.errors import (
    CheckpointError,
    ConfigError,
    NpformerError,
    ShapeError,
    counted,
    missing,
)
from npformer.models import make_model
from npformer.models.model import Model
from npformer.nn.init import Undrawn
from npformer.plan.guard import check_fits
from npformer.plan.shape import DeviceKind
from npformer.text.published_tokenizer import load_tokenizer
from npformer.text.tokenizer import Tokenizer
from npformer.train.adapted import make_trained, merged
from npformer.train.checkpoint import Checkpoint
from npformer.train.engine import Engine
from npformer.train.memory import keep_freed_memory
from npformer.train.ranks import Alone, Ranks
from npformer.train.run_directory import load_checkpoint

if TYPE_CHECKING:
    from torch_ref.train import TorchEngine

EngineName = Literal["numpy", "torch"]


def make_engine(
    config: RunConfig,
    *,
    console: Console,
    ranks: Ranks | None = None,
    weights: Mapping[str, np.ndarray] | None = None,
) -> Engine:
    """The engine that the configuration names; both begin with the same weights for a seed.

    ``weights`` are those to begin with, of the model without adapters, where they are not drawn.

    One line on ``console`` says what was made. Raises ``NpformerError`` without PyTorch, or if an
    update would need far more memory than there is, and ``ConfigError`` for a device that is not
    there.
    """
    ranks = ranks or Alone()
    if config.train.engine == "torch":
        twin = _torch_engine(config, ranks, weights)
        engine: Engine = twin
        where, count = f"PyTorch on {_place(twin, ranks)}", twin.parameter_count
        trained = twin.trained_count
    else:
        # Imported here so that a run on the other engine leaves its memory settings alone.
        from npformer.train.numpy_engine import NumpyEngine

        engine = NumpyEngine(config, weights=weights)
        where, count = (
            f"NumPy on {counted(config.train.workers, 'thread')}",
            engine.model.parameter_count(),
        )
        trained = sum(p.data.size for p in engine.model.parameters() if p.trainable)
    of_these = "" if trained == count else f", of which {trained:,} are trained"
    console.print(
        f"{where}: {config.model.family}, {config.model.shape}, {count:,} parameters{of_these}",
        highlight=False,
        soft_wrap=True,
    )
    return engine


@contextmanager
def joined_ranks(config: RunConfig) -> Iterator[tuple[Ranks, bool]]:
    """The ranks that train together, for the time of a block; and whether they were restarted.

    A process that torchrun started in the place of one that failed continues its run. Raises
    ``ConfigError`` for many ranks on an engine that trains in one, ``NpformerError`` without
    PyTorch, and ``RankError``.
    """
    if config.train.engine == "numpy":
        if os.environ.get("WORLD_SIZE", "1") != "1":
            raise ConfigError(
                "the NumPy engine trains in one process; under torchrun, add --engine torch"
            )
        yield Alone(), False
        return
    with _needs_torch():
        from torch_ref.train.place import Place
        from torch_ref.train.ranks import join

    with join(config.twin) as ranks:
        yield ranks, Place.read().restarts > 0


class Loaded(NamedTuple):
    """A trained model, ready to translate."""

    model: Any
    """The NumPy model, or its twin: both have ``start`` and ``step``."""
    tokenizer: Tokenizer
    config: RunConfig
    checkpoint: Checkpoint


def load_model(
    path: Path, engine: EngineName = "numpy", *, keeps_freed_memory: bool = True
) -> Loaded:
    """The model of a run's directory, or of one checkpoint, on either engine.

    The process keeps the memory that NumPy frees, as every step of decoding takes what the last
    one took; without ``keeps_freed_memory``, for who looks at a large model from several sides one
    after the other, it goes back.

    The checkpoint may come from the other engine. Adapters are merged into the weights. Raises
    ``CheckpointError``; a warning, of a damaged checkpoint that was passed over, goes to standard
    error.
    """
    checkpoint, warning = load_checkpoint(path)
    if warning:
        print(f"npformer: warning: {warning}", file=sys.stderr)
    tokenizer = load_tokenizer(checkpoint.tokenizer_path)
    if not tokenizer.fits(checkpoint.config.model.vocab_size):
        raise CheckpointError(
            f"{checkpoint.path} has a tokenizer of {tokenizer.vocab_size} entries and a model of "
            f"{checkpoint.config.model.vocab_size}; they do not belong together"
        )
    if engine == "numpy" and keeps_freed_memory:
        keep_freed_memory()
    build = _torch_model if engine == "torch" else _numpy_model
    try:
        checkpoint = merged(checkpoint)
        model = build(checkpoint)
    except ShapeError as error:
        raise CheckpointError(
            f"{checkpoint.path} has weights of another configuration than its config.json: {error}"
        ) from error
    if engine == "numpy":
        checkpoint = dataclasses.replace(checkpoint, weights={})  # each goes as its copy comes
        model.lay_by_columns()
        checkpoint = dataclasses.replace(checkpoint, weights=model.state_dict())
    return Loaded(model, tokenizer, checkpoint.config, checkpoint)


def make_scorer(loaded: Loaded, engine: EngineName) -> Engine:
    """An engine with the weights of a loaded checkpoint, which measures losses (``evaluate``).

    Raises ``NpformerError`` without PyTorch, and ``ConfigError`` for a device that is not there.
    """
    config, weights = loaded.config, dict(loaded.checkpoint.weights)
    if engine == "torch":
        with _needs_torch():
            from torch_ref.train import TorchEngine
        return TorchEngine(config, weights=weights)
    from npformer.train.numpy_engine import NumpyEngine

    by_hand = NumpyEngine(config)
    by_hand.model.load_state_dict(weights)
    return by_hand


def _numpy_model(checkpoint: Checkpoint) -> Model:
    config = checkpoint.config
    model = make_model(config.model, rng=Undrawn(), dtype=np.dtype(config.train.dtype))
    model.load_state_dict(checkpoint.weights, assign=True)
    return model


def _torch_model(checkpoint: Checkpoint) -> Any:
    with _needs_torch():
        import torch

        from torch_ref.bridge import to_torch
        from torch_ref.models import make_twin

    config = checkpoint.config
    device = "cuda" if torch.cuda.is_available() else "cpu"
    twin = make_twin(config.model, dtype=getattr(torch, config.train.dtype), device=device).eval()
    to_torch(checkpoint.weights, twin)
    twin.run_steps(static=device == "cuda")
    return twin


def _torch_engine(
    config: RunConfig, ranks: Ranks, weights: Mapping[str, np.ndarray] | None
) -> TorchEngine:
    with _needs_torch():
        from torch_ref.train import TorchEngine, device

    chosen = device.choose(config.twin.device, ranks)
    kind: DeviceKind = "cuda" if chosen.type == "cuda" else "cpu"
    # The ranks of a CPU share its memory with who knows how many of the others.
    if kind == "cuda" or ranks.size == 1:
        planned = config
        if config.preferences.judged:  # whose logits are all there at once
            planned = dataclasses.replace(
                config, twin=dataclasses.replace(config.twin, loss_chunk=0)
            )
        check_fits(planned, device.free_memory(kind), ranks.size, device=kind)
    model = make_trained(config, np.random.default_rng(config.train.seed), weights)
    return TorchEngine(config, weights=model.state_dict(), ranks=ranks)


@contextmanager
def _needs_torch() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise NpformerError(missing("torch")) from error


def _place(twin: TorchEngine, ranks: Ranks) -> str:
    c = twin.config.twin
    words = [str(twin.device) if ranks.size == 1 else f"{ranks.size} ranks ({c.parallel})"]
    words += [c.precision] if c.precision != "full" else []
    words += ["compiled"] if c.compile else []
    return ", ".join(words)
