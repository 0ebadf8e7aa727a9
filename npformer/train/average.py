"""Averaging checkpoints: the mean of the weights of a run's last few (the paper's section 6.1).

Late in training the weights circle around a good point with a radius that the learning rate
sets. Their mean lies nearer to it than any one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from npformer.errors import CheckpointError
from npformer.files.array_file import Array
from npformer.train.checkpoint import open_checkpoint


def average_weights(paths: Sequence[Path]) -> dict[str, Array]:
    """The mean of the checkpoints' weights by parameter path, in their dtype, summed in float64.

    One array of one checkpoint is in memory at a time, beside the mean. Raises ``CheckpointError``
    for a damaged checkpoint, weights of different shapes, or no paths.
    """
    if not paths:
        raise CheckpointError("there is no checkpoint to average")
    weights = [open_checkpoint(path).weights for path in paths]
    for path, other in zip(paths, weights, strict=True):
        if other.keys() != weights[0].keys():
            raise _different(path, paths[0])
    return {name: _mean(name, paths, weights) for name in weights[0]}


def _mean(name: str, paths: Sequence[Path], weights: Sequence[Mapping[str, Array]]) -> Array:
    first = weights[0][name]
    total = first.astype(np.float64)
    for path, other in zip(paths[1:], weights[1:], strict=True):
        array = other[name]
        if array.shape != first.shape:
            raise _different(path, paths[0])
        total += array
    return (total / len(paths)).astype(first.dtype, copy=False)


def _different(one: Path, other: Path) -> CheckpointError:
    return CheckpointError(
        f"{one} and {other} hold weights of different models; average those of one run"
    )
