"""Configurations as frozen dataclasses: their fields checked, written as JSON and read back.

Standard library only.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from typing import Any, Literal, TypeVar

from npformer.errors import ConfigError, nearest


def check(condition: bool, message: str) -> None:
    """Raise ``ConfigError`` with the message unless the condition holds."""
    if not condition:
        raise ConfigError(message)


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration as plain dictionaries, ready for JSON."""
    return dataclasses.asdict(config)


C = TypeVar("C")


def from_dict(cls: type[C], values: dict[str, Any]) -> C:
    """The reverse of ``to_dict``; an unknown or ill-typed field raises ``ConfigError``.

    A missing one takes its default: that is what an older npformer, which did not have it, did.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"{cls.__name__} must be a table of fields, not {type(values).__name__}")
    hints = _hints_of(cls)
    names = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for name in values:
        if name not in names:
            raise ConfigError(f"{cls.__name__} has no field {name!r}" + nearest(name, names))
    return cls(**{name: _read(hints[name], value) for name, value in values.items()})


def _read(hint: Any, value: Any) -> Any:
    """A field's value; JSON has no tuples, and a table of fields is a configuration."""
    if dataclasses.is_dataclass(hint) and not dataclasses.is_dataclass(value):
        return from_dict(hint, value)  # type: ignore[arg-type]
    return tuple(value) if typing.get_origin(hint) is tuple and isinstance(value, list) else value


def check_types(config: Any) -> None:
    """Raise ``ConfigError`` if a field's value is not of the type that the field declares."""
    for name, hint in _hints_of(type(config)).items():
        value = getattr(config, name)
        if typing.get_origin(hint) is Literal:
            allowed = typing.get_args(hint)
            if value not in allowed:
                raise ConfigError(
                    f"{name} is {value!r}; choose one of {', '.join(allowed)}"
                    + nearest(str(value), allowed)
                )
            continue
        if typing.get_origin(hint) is tuple:
            _check_numbers(name, value)
            continue
        kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        fits = isinstance(value, kinds) or (float in kinds and isinstance(value, int))
        if not fits or (isinstance(value, bool) and bool not in kinds):
            raise ConfigError(
                f"{name} is {value!r}; it must be {' or '.join(_type_name(k) for k in kinds)}"
            )
        check(
            not isinstance(value, float) or math.isfinite(value),
            f"{name} is {value}; it must be finite",
        )


def _check_numbers(name: str, value: Any) -> None:
    """Raise ``ConfigError`` for what is not a tuple of finite numbers."""
    numbers = isinstance(value, tuple) and all(type(each) in (int, float) for each in value)
    check(
        numbers and all(map(math.isfinite, value)),
        f"{name} is {value!r}; it must be numbers, (1.0, 1.5)",
    )


_HINTS: dict[Any, dict[str, Any]] = {}


def _hints_of(cls: Any) -> dict[str, Any]:
    """The types of its fields, which Python compiles from their text each time that it is asked."""
    if cls not in _HINTS:
        _HINTS[cls] = typing.get_type_hints(cls)
    return _HINTS[cls]


def _type_name(kind: type) -> str:
    words = {int: "an integer", float: "a number", str: "text", bool: "a boolean, true or false"}
    return words.get(kind, "nothing (null)" if kind is types.NoneType else kind.__name__)
