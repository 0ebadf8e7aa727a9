"""The same model with each boolean or choice of its configuration set otherwise."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from npformer.errors import VerifyError

Values = dict[str, tuple[Any, ...]]
COMBINATIONS = 4
"""Drawn settings in which several options differ, besides those in which one does."""
SHARE = 0.5
"""Of the options, how many differ in each."""


def is_module(value: Any) -> bool:
    """Whether it can be run as it is."""
    return not isinstance(value, type) and hasattr(value, "forward")


def build(given: Any, options: Mapping[str, Any]) -> Any:
    """The module: given, rebuilt from its configuration, or made by the function or class given.

    Raises VerifyError for what is no module and builds none.
    """
    if is_module(given):
        return given if not options else _rebuilt(given, options)
    if not callable(given):
        raise VerifyError(
            f"{given!r} is no module; give one, or a function or class that builds one"
        )
    taken = _parameters(given)
    config = _config(given)
    if config is not None and not options.keys() <= taken.keys():
        name, base = config
        return _module(given(**{name: dataclasses.replace(base, **options)}), given)
    if needed := [name for name in needs(given) if name not in options]:
        raise VerifyError(
            f"{_name(given)} needs {', '.join(needed)}; give a module, or a function without "
            "required arguments that builds one"
        )
    try:
        made = given(**options)
    except Exception as error:
        raise VerifyError(f"{_name(given)} raises {type(error).__name__}: {error}") from error
    return _module(made, given)


def values(given: Any, said: Mapping[str, Sequence[Any]] | None = None) -> Values:
    """What can be set, and to what: booleans and choices, or ``said`` and nothing else."""
    if said is not None:
        return {name: tuple(several) for name, several in said.items()}
    found: Values = {}
    if is_module(given):
        config = getattr(given, "config", None)
        if dataclasses.is_dataclass(config):
            found = _fields(config)
    else:
        hints = _hints(given)
        for name, parameter in _parameters(given).items():
            choices = _choices(hints.get(name), parameter.default)
            if len(choices) > 1:
                found[name] = choices
        if config_of := _config(given):
            found |= _fields(config_of[1])
    return found


def default(given: Any, name: str) -> Any:
    """What an option is set to unless it is said."""
    if is_module(given):
        return getattr(getattr(given, "config", None), name, None)
    if name in (taken := _parameters(given)):
        return taken[name].default
    config = _config(given)
    return None if config is None else getattr(config[1], name, None)


def singles(given: Any, options: Values) -> Iterator[dict[str, Any]]:
    """Each other value of each option."""
    for name, several in options.items():
        usual = default(given, name)
        yield from ({name: value} for value in several if value != usual)


def combinations(
    right: Sequence[Mapping[str, Any]], rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """Several options at once, drawn from single settings under which nothing was broken."""
    seen: list[dict[str, Any]] = []
    for _ in range(COMBINATIONS):
        drawn: dict[str, Any] = {}
        for one in rng.permutation(len(right)):
            if rng.random() < SHARE:
                drawn = {**right[one], **drawn}  # the first value drawn for an option stays
        if len(drawn) > 1 and drawn not in seen:
            seen.append(drawn)
            yield drawn


def _rebuilt(module: Any, options: Mapping[str, Any]) -> Any:
    config = dataclasses.replace(module.config, **options)
    return _made(type(module), config)


def _made(cls: Any, config: Any) -> Any:
    given: dict[str, Any] = {"rng": np.random.default_rng(0), "dtype": np.float64}
    taken = _parameters(cls)
    if "rng" not in taken:  # a dtype alone is another library's
        given = {}
    return cls(config, **{name: value for name, value in given.items() if name in taken})


def _module(made: Any, given: Any) -> Any:
    if not is_module(made):
        raise VerifyError(
            f"{_name(given)} gives an object of type {type(made).__name__}; it must give a module "
            "with a forward"
        )
    return made


def _config(given: Any) -> tuple[str, Any] | None:
    """The one argument whose default is a configuration, and that default."""
    for name, parameter in _parameters(given).items():
        usual = parameter.default
        if dataclasses.is_dataclass(usual) and not isinstance(usual, type):
            return name, usual
    return None


def _fields(config: Any) -> Values:
    hints = typing.get_type_hints(type(config))
    found = {}
    for field in dataclasses.fields(config):
        choices = _choices(hints.get(field.name), getattr(config, field.name))
        if field.init and len(choices) > 1:
            found[field.name] = choices
    return found


def _choices(hint: Any, usual: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        parts = [_choices(part, None) for part in typing.get_args(hint)]
        return tuple(dict.fromkeys(value for part in parts for value in part))
    if typing.get_origin(hint) is typing.Literal:
        return typing.get_args(hint)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return tuple(hint)
    if hint is bool or isinstance(usual, bool):
        return (False, True)
    return ()


def _hints(given: Callable[..., Any]) -> dict[str, Any]:
    try:
        made_by: Any = vars(given).get("__init__") if isinstance(given, type) else given
        return {} if made_by is None else typing.get_type_hints(made_by)
    except (NameError, TypeError):
        return {}


def _parameters(given: Any) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(given).parameters)
    except (TypeError, ValueError):
        return {}


def needs(given: Any) -> list[str]:
    """The arguments that a function or class cannot be called without."""
    return [
        name
        for name, p in _parameters(given).items()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]


def _name(given: Any) -> str:
    return getattr(given, "__name__", repr(given))
