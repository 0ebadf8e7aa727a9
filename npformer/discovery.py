"""Components are found by the names of their files."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TypeVar

T = TypeVar("T")


def classes_by_file(package: str, base: type[T]) -> dict[str, type[T]]:
    """The public subclass of ``base`` that a file of the package defines, by the file's name."""
    home = importlib.import_module(package)
    return {
        file.name: value
        for file in pkgutil.iter_modules(home.__path__)
        for name, value in vars(importlib.import_module(f"{package}.{file.name}")).items()
        if isinstance(value, type)
        and issubclass(value, base)
        and value.__module__ == f"{package}.{file.name}"
        and value is not base
        and not name.startswith("_")
    }
