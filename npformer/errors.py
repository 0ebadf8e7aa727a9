"""The errors that npformer raises at its boundaries, each with a message for a person.

A message says what was given, what is allowed and, where it helps, what to do. The command
line prints it on one line and exits with status 2. Token ids out of range are the exception
to this family: they raise ``IndexError``, as indexing does everywhere else in Python.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any

EXTRAS = {
    "torch": "torch",
    "hypothesis": "verify",
    "spacy": "spacy",
    "datasets": "datasets",
    "polib": "corpora",
    "pyarrow": "corpora",
    "optuna": "sweep",
    "tensorboard": "tensorboard",
    "transformers": "marian",
    "gguf": "gguf",
    "sentencepiece": "sentencepiece",
    "jax": "jax",
    "soundfile": "audio",
    "soxr": "audio",
}
"""The extra of setup.cfg that brings a package, by the package's import name."""


class NpformerError(Exception):
    """The base of every error that a user of npformer can cause."""


class ConfigError(NpformerError, ValueError):
    """A configuration that no model, optimizer or run can have."""


class ShapeError(NpformerError, ValueError):
    """Arrays whose shapes or dtypes do not fit together."""


class CorpusError(NpformerError, ValueError):
    """A corpus that is missing, empty, ragged or not text."""


class TokenizerError(NpformerError, ValueError):
    """A tokenizer that cannot be trained or loaded, or a text that it cannot encode."""


class AudioError(NpformerError, ValueError):
    """A recording that is missing, damaged or empty, or no sound at all."""


class CheckpointError(NpformerError):
    """A checkpoint that is missing, damaged, foreign, or of another configuration."""


class NonFiniteError(NpformerError, ArithmeticError):
    """A loss or gradient that is not finite; weights and optimizer are as they were before."""


class RankError(NpformerError, RuntimeError):
    """Processes that train together and lost one another, or never met."""


class VerifyError(NpformerError, ValueError):
    """A verification that cannot be run as asked."""


def nearest(given: str, allowed: Iterable[str]) -> str:
    """``"; did you mean 'small'?"`` for the closest allowed name, or an empty string.

    A name that goes on where ``given`` ends comes first: ``a100`` means ``a100-80`` or ``a100-40``.
    """
    names = list(allowed)
    longer = [name for name in names if given and name.startswith(given)]
    close = [name for name in longer if len(name) == min(map(len, longer))]
    close = close or difflib.get_close_matches(given, names, n=1)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""


def check_arguments(what: str, function: Callable[..., Any], given: Iterable[str]) -> None:
    """``given`` are names of keyword arguments of ``function``, and all that it needs.

    Raises ``ConfigError`` that calls the function ``what``, for settings that come from a file.
    """
    named = [p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
    allowed, given = [p.name for p in named], list(given)
    for name in given:
        if name not in allowed:
            raise ConfigError(
                f"{what} has no setting {name!r}; it takes {', '.join(allowed) or 'none'}"
                + nearest(name, allowed)
            )
    for parameter in named:
        if parameter.default is parameter.empty and parameter.name not in given:
            raise ConfigError(f"{what} needs the setting {parameter.name!r}")


def counted(number: int, noun: str) -> str:
    """``1 shard``, ``2,000 shards``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def install(extra: str) -> str:
    """What to do for an extra of setup.cfg; npformer is on no package index."""
    return f"in npformer's checkout run: pip install -e '.[{extra}]'"


def missing(package: str, extra: str = "") -> str:
    """What to say where a package of ``EXTRAS`` cannot be imported.

    ``extra`` names another extra that brings it and more, where more is needed.
    """
    return f"this needs {package}, which is not installed; {install(extra or EXTRAS[package])}"


def require(*packages: str, extra: str = "") -> None:
    """Raises ``NpformerError`` with ``missing`` for the first that is not installed; imports none.

    For work that needs them at its end only, so that it says so at its beginning.
    """
    for package in packages:
        if find_spec(package) is None:
            raise NpformerError(missing(package, extra))
