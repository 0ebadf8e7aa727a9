"""What a function returns, one output or several, and the upstream gradients in the same form.

A function may return its outputs in a tuple, a list or a dictionary, one inside another too. Those
of floating-point numbers are ``y``, or ``y0``, ``y1`` and so on in order, and each has an upstream
gradient of its own. Others, such as indices, have none and are not compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from npformer.cards.case import output_names
from npformer.verify.component import BrokenContract


def outputs_of(returned: Any, name: str, what: str = "array") -> dict[str, Any]:
    """The floating-point outputs by name.

    Raises ``BrokenContract`` if there is none, or if something among them is no array.
    """
    found = []
    for _, leaf in leaves(returned):
        if is_floating(leaf):
            found.append(leaf)
        elif not has_no_gradient(leaf):
            several = returned is not leaf
            raise BrokenContract(
                f"{name} returned {a_kind(leaf)}{' among its outputs' if several else ''}; it must "
                f"return one floating-point {what} or several"
            )
    if not found:
        kind = f"an {what} of {returned.dtype}" if hasattr(returned, "dtype") else a_kind(returned)
        raise BrokenContract(f"{name} returned {kind}; it must return floating-point numbers")
    return dict(zip(output_names(len(found)), found, strict=True))


def leaves(returned: Any) -> Iterator[tuple[str, Any]]:
    """Each value that is no tuple, list or dictionary, and how code gets at it: ``[0]["last"]``."""
    if isinstance(returned, Mapping):
        parts: Any = returned.items()
    elif isinstance(returned, (tuple, list)):
        parts = enumerate(returned)
    else:
        yield "", returned
        return
    for key, part in parts:
        for path, leaf in leaves(part):
            yield f"[{key!r}]{path}", leaf


def check_outputs(
    name: str, outputs: Mapping[str, Any], upstream: Mapping[str, Any], *, placed: bool = False
) -> None:
    """Raise ``BrokenContract`` unless each output has an upstream gradient of its own kind.

    ``placed``: on its own device too.
    """
    if len(outputs) != len(upstream):
        raise BrokenContract(f"{name} has {len(outputs)} outputs, not {len(upstream)}")
    for (output, y), dy in zip(outputs.items(), upstream.values(), strict=True):
        which = "the output" if len(outputs) == 1 else output
        if y.dtype != dy.dtype:
            raise BrokenContract(f"{which}'s dtype is {y.dtype}; it must be {dy.dtype}")
        if placed and y.device != dy.device:
            raise BrokenContract(f"{which} is on {y.device}; it must be on {dy.device}")
        if y.shape != dy.shape:
            raise BrokenContract(f"{which}'s shape is {tuple(y.shape)}, not {tuple(dy.shape)}")


def in_form_of(returned: Any, upstream: Mapping[str, Any]) -> Any:
    """The upstream gradients in the tuples that the outputs stand in; None for one without."""
    rest = iter(upstream.values())
    return _filled(returned, lambda leaf: next(rest, None) if is_floating(leaf) else None)


def _filled(value: Any, of: Callable[[Any], Any]) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(part, of) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return tuple(_filled(part, of) for part in value)
    return of(value)


def without_gradient(returned: Any) -> list[str]:
    """In words, which of the outputs have no gradient: ``output 1 (int64)``."""
    every = [leaf for _, leaf in leaves(returned)]
    return [
        f"output {i} ({'None' if leaf is None else getattr(leaf, 'dtype', type(leaf).__name__)})"
        for i, leaf in enumerate(every)
        if not is_floating(leaf)
    ]


def is_floating(value: Any) -> bool:
    """Whether it is an array, a tensor or a number of floating point."""
    dtype = getattr(value, "dtype", None)
    if isinstance(dtype, np.dtype):  # of JAX's arrays too
        return dtype.kind == "f"
    return isinstance(value, float) or bool(getattr(dtype, "is_floating_point", False))


def has_no_gradient(value: Any) -> bool:
    """Whether it is None, or integers or booleans."""
    if isinstance(getattr(value, "dtype", None), np.dtype):
        return bool(value.dtype.kind in "iub")
    tensor = hasattr(value, "dtype") and not getattr(value.dtype, "is_complex", True)
    return value is None or isinstance(value, (bool, int)) or tensor


def a_kind(value: Any) -> str:
    """``None``, ``a tuple of 3``, ``a dict``: what a value is, in words."""
    if value is None:
        return "None"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
