"""A directory's ``pytorch_model.bin``, as files were before safetensors; needs PyTorch.

It is a pickle. PyTorch's weights-only loader runs none of it but what rebuilds tensors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from npformer.errors import CheckpointError
from npformer.ops.array import Array

SINGLE, INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"


def read(directory: Path) -> Mapping[str, Array] | None:
    """The tensors of a directory, mapped into memory; None if it has no such file.

    Raises CheckpointError for a file that is damaged or holds more than tensors, and
    ModuleNotFoundError without PyTorch.
    """
    if (directory / INDEX).exists():
        try:
            table = json.loads((directory / INDEX).read_bytes())["weight_map"]
            shards = sorted(set(table.values()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{directory / INDEX} cannot be understood: {error}") from error
    elif (directory / SINGLE).exists():
        shards = [SINGLE]
    else:
        return None
    tensors: dict[str, Any] = {}
    for shard in shards:
        if not (directory / shard).exists():
            raise CheckpointError(f"{directory} lacks its shard {shard}")
        tensors |= _load(directory / shard)
    return _Tensors(tensors)


def _load(path: Path) -> dict[str, Any]:
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:  # written before PyTorch 1.6: no zip, which alone can be mapped
        found = _load_whole(path)
    except Exception as error:  # pickle's, zip's and PyTorch's own
        raise _damaged(path, error) from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} holds no table of tensors")
    for name, tensor in found.items():
        if not isinstance(tensor, torch.Tensor):
            raise CheckpointError(f"{path} holds {name!r}, which is no tensor")
    return found


def _load_whole(path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"{path} cannot be understood: {str(error).splitlines()[0]}")


class _Tensors(Mapping[str, Array]):
    def __init__(self, tensors: Mapping[str, Any]) -> None:
        self._tensors = tensors

    def __getitem__(self, name: str) -> Array:
        tensor = self._tensors[name].detach()
        if str(tensor.dtype) == "torch.bfloat16":
            tensor = tensor.float()
        return tensor.numpy().copy()

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)
