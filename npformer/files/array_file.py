"""Arrays in a safetensors file, written and read one at a time.

safetensors' own writer takes all arrays as bytes first, a second copy of the whole model. Here an
array is asked for when its turn comes, so it may be gathered, or copied from a device, just then.
The file is the same to the last bit: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import functools
import json
import math
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

    The file stays open, and readable though it be deleted. Raises ``CheckpointError`` for one that
    is no safetensors file. Numbers of a kind that NumPy has not are given as float32, which has all
    of them.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = safetensors.safe_open(path, framework="np")
            self._forms = {name: self._form(name) for name in self._file.keys()}  # noqa: SIM118
            narrow = any(form.dtype in NARROW for form in self._forms.values())
            self._bytes = np.memmap(path, np.uint8, "r") if narrow else None
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{path} cannot be understood: {error}") from error

    def __getitem__(self, name: str) -> Array:
        dtype, shape = self._forms[name]
        if dtype not in NARROW:
            return self._file.get_tensor(name)
        return NARROW[dtype](self._stored[name]).reshape(shape)

    def form(self, name: str) -> Form:
        """An array's dtype, by the format's name of it, and shape; nothing is read."""
        return self._forms[name]

    def _form(self, name: str) -> Form:
        part = self._file.get_slice(name)
        return Form(str(part.get_dtype()), tuple(part.get_shape()))

    @functools.cached_property
    def _stored(self) -> dict[str, Array]:
        """The bytes of each array; the format's own library gives them for NumPy's dtypes only."""
        assert self._bytes is not None
        start = 8 + int.from_bytes(self._bytes[:8].tobytes(), "little")
        head = json.loads(self._bytes[8:start].tobytes())
        places = {name: head[name]["data_offsets"] for name in self._forms}
        return {
            name: self._bytes[start + first : start + last]
            for name, (first, last) in places.items()
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self._forms)

    def __len__(self) -> int:
        return len(self._forms)
