"""Arrays and arguments as Python, for the example that shows a fault."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np

Array = np.ndarray

LONG = 200


def is_other(value: Any, usual: Any) -> bool:
    """Whether an argument is not as usual, and has to be written."""
    return isinstance(value, np.ndarray) or (value is not usual and value != usual)


def built(value: Any) -> str:
    """A constructor's argument; of a configuration, what is not as usual."""
    if not dataclasses.is_dataclass(value):
        return repr(value)
    changed = [
        f"{f.name}={getattr(value, f.name)!r}"
        for f in dataclasses.fields(value)
        if f.default is dataclasses.MISSING or getattr(value, f.name) != f.default
    ]
    return f"{type(value).__name__}({', '.join(changed)})"


def filled(array: Array) -> str:
    """The number that fills an array, or all of them."""
    first = array.flat[0]
    return code(float(first)) if (array == first).all() else code(array.tolist())


def indexed(path: str) -> str:
    """``layers.0.norm`` as Python: ``layers[0].norm``."""
    return re.sub(r"\.(\d+)", r"[\1]", path)


def given(name: str, value: Any) -> str:
    """An argument's value; ``rng`` is kept as a seed."""
    if name == "rng" and value is not None:
        return f"np.random.default_rng({value})"
    return f"np.array({code(value.tolist())})" if isinstance(value, np.ndarray) else code(value)


def assignment(name: str, array: Array) -> str:
    """``x = np.array([[1.0, 0.0]])``, on several lines if it is long."""
    text = code(array.tolist())
    if len(text) > 80 and array.ndim > 1:
        rows = ",\n".join(f"    {code(row)}" for row in array.tolist())
        text = f"[\n{rows},\n]"
    return f"{name} = np.array({text})"


def short(value: Any) -> str:
    """``repr`` on one line, cut where it is very long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= LONG else f"{text[: LONG - 3]}..."


def code(value: Any) -> str:
    """``repr``, with the names of NumPy for what Python has no literal for."""
    text = repr(value)
    return text if isinstance(value, str) else re.sub(r"\b(nan|inf)\b", r"np.\1", text)


def with_imports(example: str) -> str:
    """The example with the import that it needs, whatever the file that it is put into has."""
    if "np." not in example or "import numpy as np" in example:
        return example
    return f"import numpy as np\n\n{example}"
