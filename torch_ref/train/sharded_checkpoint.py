"""A checkpoint of a model of which each rank holds a share, with the bytes of any other.

All ranks write their shares at once, through ``torch.distributed.checkpoint``, as safetensors files
beside each other. Then the first puts one array after another together, so that nobody ever needs
room for the whole model. All must see one file system.

PyTorch can put shares together as well (``enable_consolidation`` of the same writer). But 2.13
writes an array without dimensions as zero, and raises ``TypeError`` for integers; ``optim/step`` is
both. Nor do its files hold the arrays in the order of a whole save, so that the same state would
not give the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.distributed.checkpoint as dcp
from safetensors import safe_open
from torch import Tensor
from torch.distributed.checkpoint import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.tensor import DTensor

from npformer.errors import CheckpointError
from npformer.train.ranks import Ranks
from torch_ref.bridge import to_array
from torch_ref.train.saving import check_finite, write_files

SHARES = "shares"
"""The directory of the ranks' shares, until they are put together."""


def save_shares(directory: Path, tensors: Mapping[str, Tensor], ranks: Ranks) -> None:
    """``save_whole`` where some are DTensors; the others are the same on every rank."""
    local = {n: t.to_local() if isinstance(t, DTensor) else t for n, t in tensors.items()}
    check_finite(local, ranks)
    shared = {name: t.detach() for name, t in tensors.items() if isinstance(t, DTensor)}
    folder = directory / SHARES
    write_shares(folder, shared)
    if ranks.rank == 0:
        together = Together(folder, shared)
        write_files(
            directory,
            tensors,
            lambda name: together[name] if name in shared else to_array(tensors[name]),
        )
        shutil.rmtree(folder)


def write_shares(folder: Path, shared: Mapping[str, Tensor]) -> None:
    """Write each rank's share of the tensors into a file of its own. Collective.

    What one rank cannot do is raised on all of them, as ``OSError`` if it was one.
    """
    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    try:
        dcp.save(dict(shared), storage_writer=writer)
    except CheckpointException as error:  # no Exception, so that who handles those would miss it
        failures = [failure for _, (failure, _) in sorted(error.failures.items())]
        raise next((f for f in failures if isinstance(f, OSError)), failures[0]) from error


class Together:
    """Whole arrays by name, each put together from the ranks' shares in ``folder``.

    Raises ``CheckpointError`` if shares are missing.
    """

    def __init__(self, folder: Path, shared: Mapping[str, Tensor]) -> None:
        self._shared = shared
        self._shares: dict[str, list[tuple[str, torch.Size]]] = {name: [] for name in shared}
        found = HuggingFaceStorageReader(str(folder)).read_metadata().storage_data
        for index, info in found.items():
            self._shares[index.fqn].append((info.relative_path, index.offset))
        paths = {path for shares in self._shares.values() for path, _ in shares}
        self._files = {path: safe_open(path, framework="np") for path in paths}

    def __getitem__(self, name: str) -> np.ndarray:
        tensor, covered = self._shared[name], 0
        whole = np.empty(tensor.shape, str(tensor.dtype).removeprefix("torch."))
        for path, offset in self._shares[name]:
            share = self._files[path].get_tensor(name)
            place = zip(offset, share.shape, strict=True)
            whole[tuple(slice(start, start + size) for start, size in place)] = share
            covered += share.size
        if covered != whole.size:
            raise CheckpointError(
                f"of {name!r}, the ranks' shares hold {covered:,} of {whole.size:,} numbers: all "
                "ranks must write to one file system, under the same path"
            )
        return whole
