"""Averaging checkpoints: the mean of the weights of a run's last few (the paper's section 6.1).

Late in training the weights circle around a good point with a radius that the learning rate
sets. Their mean lies nearer to it than any one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from npformer.errors import CheckpointError
from npformer.train.checkpoint import Array, read_checkpoint


def average_weights(paths: Sequence[Path]) -> dict[str, Array]:
    """The mean of the checkpoints' weights by parameter path, in their dtype, summed in float64.

    Raises ``CheckpointError`` for a damaged checkpoint, weights of different shapes, or no paths.
    """
    if not paths:
        raise CheckpointError("there is no checkpoint to average")
    first = read_checkpoint(paths[0]).weights
    sums = {name: array.astype(np.float64) for name, array in first.items()}
    for path in paths[1:]:
        weights = read_checkpoint(path).weights
        shapes = [{name: a.shape for name, a in w.items()} for w in (weights, first)]
        if shapes[0] != shapes[1]:
            raise CheckpointError(
                f"{path} and {paths[0]} hold weights of different models; average those of one run"
            )
        for name, array in weights.items():
            sums[name] += array
    return {
        name: (total / len(paths)).astype(first[name].dtype, copy=False)
        for name, total in sums.items()
    }
