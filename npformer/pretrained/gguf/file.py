"""What a GGUF file holds, as it is in the file; the ``gguf`` package knows the bytes.

A tensor is quantised in blocks along its last axis: some bits for each number, a scale and perhaps
an offset for the block, in one of the types that ``TYPES`` names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from npformer.errors import CheckpointError
from npformer.ops.array import Array

TYPES = (
    *("F64", "F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"),
    *("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"),
)
"""The types of tensors that are read, by the format's names."""


class GgufFile(Mapping[str, Array]):
    """The tensors of a file, each dequantised when asked for, and its ``metadata``.

    A matrix is (out, in), and its rows are what was quantised. Raises CheckpointError for a file
    that is damaged, or one of several; ModuleNotFoundError without the ``gguf`` package.
    """

    def __init__(self, path: Path) -> None:
        import gguf

        self._path = path
        try:
            reader = gguf.GGUFReader(path)
            self.metadata: dict[str, Any] = {
                name: field.contents() for name, field in reader.fields.items()
            }
            self._tensors = {tensor.name: tensor for tensor in reader.tensors}
        except OSError:
            raise
        except Exception as error:  # of a file that is cut short, whatever reading past its end is
            said = next(iter(str(error).splitlines()), type(error).__name__)
            raise CheckpointError(f"{path} is no GGUF file, or damaged: {said}") from error
        if (count := self.metadata.get("split.count", 1)) != 1:
            raise CheckpointError(
                f"{path} is one of {count} files of a model; join them with llama.cpp's "
                "gguf-split --merge"
            )

    def __getitem__(self, name: str) -> Array:
        """The tensor in float32, or in float64 if it is so in the file.

        Raises CheckpointError for a type that is not in ``TYPES``.
        """
        import gguf

        tensor = self._tensors[name]
        kind = tensor.tensor_type.name
        if kind not in TYPES:
            raise CheckpointError(
                f"{name!r} of {self._path} is of type {kind}; npformer reads {', '.join(TYPES)}"
            )
        if kind == "F64":
            return tensor.data
        shape = tuple(int(size) for size in reversed(tensor.shape))
        return gguf.dequantize(tensor.data, tensor.tensor_type).reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape; it is not read."""
        return tuple(int(size) for size in reversed(self._tensors[name].shape))
