"""How printed code refers to functions and objects: by an import, by a file, or by name alone."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

from npformer.verify.subjects.subjects import Subject, callable_name
from npformer.verify.subjects.torch_subjects import TorchModule


class References:
    """Names for what the caller gave, and the imports that they need."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.imports: dict[str, list[str]] = {}
        """By module, what is imported from it."""
        self.files: dict[str, str] = {}
        """By name, the file of what no import finds: an exercise's, say."""

    def name(self, function: Any, nameless: str = "function") -> str:
        """How the code refers to it; what can be imported is."""
        name = callable_name(function, nameless)
        if isinstance(self.subject, TorchModule):
            return "your_module" if function is self.subject.origin else name
        owner = getattr(function, "__self__", None)
        if (
            owner is not None
            and not inspect.ismodule(owner)
            and callable(getattr(owner, name, None))
        ):
            return f"{self._object(owner)}.{name}"
        module = getattr(function, "__module__", None)
        qualified = getattr(function, "__qualname__", name)
        first = qualified.partition(".")[0]
        for whole in dict.fromkeys((name, qualified)):
            found = sys.modules.get(module or "")
            for part in whole.split("."):
                found = getattr(found, part, None)
            if found is function and module != "__main__":
                module = "npformer.ops" if str(module).startswith("npformer.ops.") else module
                self._import(str(module), name if whole == name else first)
                return whole
        other = [
            n for n, v in vars(sys.modules.get(module or "") or object).items() if v is function
        ]
        if other and module != "__main__":  # a wrapper, which has the name of what it wraps
            self._import(str(module), other[0])
            return other[0]
        if module not in sys.modules and (path := _file(function)):
            self.files[name] = path
        return name

    def _object(self, owner: Any) -> str:
        """How the code refers to an object, or a class, whose methods are checked."""
        kind = owner if inspect.isclass(owner) else type(owner)
        names = vars(sys.modules.get(kind.__module__) or object)
        found = [name for name, value in names.items() if value is owner]
        if found and kind.__module__ != "__main__":
            self._import(kind.__module__, found[0])
            return found[0]
        return kind.__name__ if owner is kind else f"your_{kind.__name__}"

    def _import(self, module: str, name: str) -> None:
        names = self.imports.setdefault(module, [])
        if name not in names:
            names.append(name)


def _file(function: Any) -> str | None:
    """Where a function or class is defined, if it is found there by its name."""
    function = inspect.unwrap(function)
    own = getattr(function, "__code__", None) or getattr(
        getattr(function, "forward", None), "__code__", None
    )
    if own is None or getattr(function, "__qualname__", "") != function.__name__:
        return None
    return own.co_filename if Path(own.co_filename).is_file() else None
