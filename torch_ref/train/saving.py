"""The engine's tensors as a checkpoint's two files, whether a rank has all of them or a share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from npformer.errors import NonFiniteError
from npformer.files.array_file import Form, write_arrays
from npformer.train.checkpoint import ARRAYS
from npformer.train.ranks import Ranks
from torch_ref.bridge import to_array


def save_whole(directory: Path, tensors: Mapping[str, Tensor], ranks: Ranks) -> None:
    """Write whole tensors, which every rank holds: the first does, one array at a time.

    Collective: every rank gives the same names in the same order. Raises as ``Spread.save`` does.
    """
    check_finite(tensors, ranks)
    if ranks.rank == 0:
        write_files(directory, tensors, lambda name: to_array(tensors[name]))


def check_finite(tensors: Mapping[str, Tensor], ranks: Ranks) -> None:
    """Raise ``NonFiniteError``, on every rank, if a tensor of any is not finite. Collective."""
    numbers = {name: t.detach() for name, t in tensors.items() if t.is_floating_point()}
    finite = torch.stack([tensor.isfinite().all() for tensor in numbers.values()]).tolist()
    bad = next((name for name, good in zip(numbers, finite, strict=True) if not good), None)
    for name in ranks.gather(bad):
        if name:
            raise NonFiniteError(f"{name!r} is not finite")


def write_files(
    directory: Path, tensors: Mapping[str, Tensor], array: Callable[[str], np.ndarray]
) -> None:
    """Write each file with the tensors of its kind, as ``array`` gives them by name."""
    forms: dict[str, dict[str, Form]] = {kind: {} for kind in ARRAYS}
    for key, tensor in tensors.items():
        kind, _, name = key.partition("/")
        forms[kind][name] = Form(str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))

    def of_kind(kind: str, name: str) -> np.ndarray:
        return array(f"{kind}/{name}")

    for kind, file in ARRAYS.items():
        if forms[kind]:
            write_arrays(directory / file, forms[kind], partial(of_kind, kind))
