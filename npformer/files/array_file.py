"""Arrays in a safetensors file, written and read one at a time.

safetensors' own writer takes all arrays as bytes first, a second copy of the whole model. Here an
array is asked for when its turn comes, so it may be gathered, or copied from a device, just then.
The file is the same to the last bit: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import os
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors
from safetensors import SafetensorError

from npformer.errors import CheckpointError
from npformer.files.narrow_floats import NARROW

Array = np.ndarray

_NAMES = {"int64": "I64", "float64": "F64", "float32": "F32", "int32": "I32", "float16": "F16"}
"""safetensors' name of each dtype, in the order in which a file holds them: by falling size."""
_DTYPES = {short: name for name, short in _NAMES.items()} | {
    **{"U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32"},
    **{"U64": "uint64", "BOOL": "bool"},
}
"""NumPy's name of each dtype that a file may hold."""


class Form(NamedTuple):
    """What the head of a file says of an array."""

    dtype: str
    """NumPy's name of it."""
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Bytes that the array takes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


def write_arrays(
    path: Path, forms: Mapping[str, Form], array: Callable[[str], Array], **about: str
) -> None:
    """Write the arrays that ``forms`` names, each gotten from ``array`` when its turn comes.

    They are in the file by dtype, then by name. ``about`` is what the head says of the whole.
    Raises ``OSError``, and ``ValueError`` for an array of another form than was announced.
    """
    order = sorted(forms, key=lambda name: (list(_NAMES).index(forms[name].dtype), name))
    head: dict[str, Any] = {"__metadata__": about} if about else {}
    end = 0
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

    Nothing else of the file is then in memory. It stays open, and readable though it be deleted.
    Raises ``CheckpointError`` for one that is no safetensors file. Numbers of a kind that NumPy has
    not are given as float32, which has all of them.
    """

    def __init__(self, path: Path) -> None:
        try:
            with safetensors.safe_open(path, framework="np") as file:  # sees that it is whole
                names = list(file.keys())
            self._path, self._file = path, os.open(path, os.O_RDONLY)
            weakref.finalize(self, os.close, self._file)
            self._start = 8 + int.from_bytes(os.pread(self._file, 8, 0), "little")
            head = json.loads(self._bytes(8, self._start).tobytes())
            self._places = {name: head[name]["data_offsets"] for name in names}
            self._forms = {n: Form(head[n]["dtype"], tuple(head[n]["shape"])) for n in names}
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{path} cannot be understood: {error}") from error

    def __getitem__(self, name: str) -> Array:
        dtype, shape = self._forms[name]
        if dtype in NARROW:
            return NARROW[dtype](self._read(name)).reshape(shape)
        if dtype not in _DTYPES:
            raise CheckpointError(f"{self._path} holds {name!r} as {dtype}, which is not read")
        little = np.dtype(_DTYPES[dtype]).newbyteorder("<")
        return self._read(name).view(little).astype(_DTYPES[dtype], copy=False).reshape(shape)

    def form(self, name: str) -> Form:
        """An array's dtype, by the format's name of it, and shape; nothing is read."""
        return self._forms[name]

    def _read(self, name: str) -> Array:
        first, last = self._places[name]
        return self._bytes(self._start + first, self._start + last)

    def _bytes(self, first: int, last: int) -> Array:
        """Those of the file from ``first`` to ``last``; several threads may read at once."""
        stored = np.empty(last - first, np.uint8)
        rest = stored.data
        while rest:
            count = os.preadv(self._file, [rest], last - len(rest))
            if count == 0:
                raise CheckpointError(f"{self._path} was cut short while it was read")
            rest = rest[count:]
        return stored

    def __iter__(self) -> Iterator[str]:
        return iter(self._forms)

    def __len__(self) -> int:
        return len(self._forms)
