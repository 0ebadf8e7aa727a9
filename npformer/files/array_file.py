"""Arrays in a safetensors file, written and read one at a time.

safetensors' own writer takes all arrays as bytes first, a second copy of the whole model. Here an
array is asked for when its turn comes, so it may be gathered, or copied from a device, just then.
The file is the same to the last bit: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors
from safetensors import SafetensorError

from npformer.errors import CheckpointError

Array = np.ndarray

_NAMES = {"int64": "I64", "float64": "F64", "float32": "F32", "int32": "I32", "float16": "F16"}
"""safetensors' name of each dtype, in the order in which a file holds them: by falling size."""


class Form(NamedTuple):
    """What the head of a file says of an array."""

    dtype: str
    """NumPy's name of it."""
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Bytes that the array takes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


def write_arrays(path: Path, forms: Mapping[str, Form], array: Callable[[str], Array]) -> None:
    """Write the arrays that ``forms`` names, each gotten from ``array`` when its turn comes.

    They are in the file by dtype, then by name. Raises ``OSError``, and ``ValueError`` for an
    array of another form than was announced.
    """
    order = sorted(forms, key=lambda name: (list(_NAMES).index(forms[name].dtype), name))
    head, end = {}, 0
    for name in order:
        start, end = end, end + forms[name].bytes
        dtype, shape = _NAMES[forms[name].dtype], list(forms[name].shape)
        head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers begin at a multiple of their size
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            values = np.asarray(array(name), order="C")
            if form_of(values) != forms[name]:
                raise ValueError(f"{name!r} is {form_of(values)}, not {forms[name]}")
            little = values.astype(values.dtype.newbyteorder("<"), copy=False)
            file.write(little.reshape(-1).view(np.uint8).data)


def form_of(array: Array) -> Form:
    """An array's dtype, of any byte order, and shape."""
    return Form(array.dtype.name, array.shape)


class ArrayFile(Mapping[str, Array]):
    """The arrays of a safetensors file by name; each is read when asked for, and is a copy.

    The file stays open, and readable though it be deleted. Raises ``CheckpointError`` for one that
    is no safetensors file. NumPy has no bfloat16: such numbers are given as float32, which has all
    of them.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = safetensors.safe_open(path, framework="np")
            self._names = list(self._file.keys())
            narrow = any(self._dtype(name) == "BF16" for name in self._names)
            self._bytes = np.memmap(path, np.uint8, "r") if narrow else None
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{path} cannot be understood: {error}") from error

    def __getitem__(self, name: str) -> Array:
        if name not in self._names:
            raise KeyError(name)
        if self._bytes is not None and self._dtype(name) == "BF16":
            return _widened(self._bytes, name)
        return self._file.get_tensor(name)

    def _dtype(self, name: str) -> str:
        return str(self._file.get_slice(name).get_dtype())

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _widened(file: Array, name: str) -> Array:
    """A bfloat16 is the upper half of a float32."""
    start = 8 + int.from_bytes(file[:8].tobytes(), "little")
    header = json.loads(file[8:start].tobytes())[name]
    first, last = header["data_offsets"]
    halves = np.frombuffer(file[start + first : start + last].tobytes(), "<u2").astype(np.uint32)
    return (halves << 16).view(np.float32).reshape(header["shape"])
