"""A directory's safetensors files: one, or shards that an index lists.

https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from npformer.errors import CheckpointError
from npformer.files.array_file import ArrayFile
from npformer.ops.array import Array
from npformer.pretrained.float8 import Float8Blocks
from npformer.pretrained.mxfp4 import Mxfp4Blocks

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"


def read(directory: Path) -> Mapping[str, Array] | None:
    """The tensors of a directory, each read when asked for; None if it has no such files.

    Raises CheckpointError for a file that is damaged, a shard that is missing or holds other
    tensors than the index says, and shards without an index.
    """
    if (directory / INDEX).exists():
        return _widened(_Shards(directory, _index(directory / INDEX)))
    if (directory / SINGLE).exists():
        return _widened(ArrayFile(directory / SINGLE))
    if shards := sorted(directory.glob("model-*-of-*.safetensors")):
        raise CheckpointError(
            f"{directory} holds shards such as {shards[0].name} and no {INDEX}, which says what "
            "is in which; it belongs to the download"
        )
    return None


def _widened(tensors: Mapping[str, Array]) -> Mapping[str, Array]:
    """The tensors, with those whole that are kept in few bits and scales."""
    return Float8Blocks(Mxfp4Blocks(tensors))


def _index(path: Path) -> dict[str, str]:
    try:
        table = json.loads(path.read_bytes())["weight_map"]
        whole = all(isinstance(name, str) and Path(name).name == name for name in table.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} cannot be understood: {error}") from error
    if not whole:
        raise CheckpointError(f"{path} names files outside its directory")
    return dict(table)


class _Shards(Mapping[str, Array]):
    def __init__(self, directory: Path, index: Mapping[str, str]) -> None:
        """Raises ``CheckpointError`` if a shard is missing or is not what the index says."""
        self._index = index
        self._files: dict[str, ArrayFile] = {}
        for shard in sorted(set(index.values())):
            if not (directory / shard).exists():
                raise CheckpointError(f"{directory} lacks its shard {shard}")
            self._files[shard] = ArrayFile(directory / shard)
            held = set(self._files[shard])
            listed = {name for name, home in index.items() if home == shard}
            for name in sorted(listed ^ held):
                raise CheckpointError(
                    f"{directory / shard} {'lacks' if name in listed else 'holds'} {name!r}, "
                    f"against {INDEX}; the shards are mixed up or of another model"
                )

    def __getitem__(self, name: str) -> Array:
        return self._files[self._index[name]][name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)
