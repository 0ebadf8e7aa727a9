"""``package.module:name`` -> what stands there, with every mishap in one plain line."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from npformer.errors import VerifyError, nearest
from npformer.verify.judge import line_of


def load(reference: str) -> Any:
    """What ``my_package.my_module:name`` names; modules of the current directory are found too.

    A function ``name`` beside a ``name_backward``, or a ``name_forward`` beside one, is a pair.
    Raises ``VerifyError`` if the module cannot be imported or has no such name.
    """
    module_name, colon, path = reference.partition(":")
    parts = [*module_name.split("."), *path.split(".")]
    if not colon or not all(part.isidentifier() for part in parts):
        raise VerifyError(
            f"{reference!r} names nothing to import; write my_package.my_module:my_function"
        )
    found: Any = _import(module_name)
    *owners, name = path.split(".")
    for owner in owners:
        found = _attribute(found, owner, module_name)
    backward = getattr(found, f"{name}_backward", None)
    if callable(backward):
        for forward in (f"{name}_forward", name):
            if callable(getattr(found, forward, None)):
                return getattr(found, forward), backward
    return _attribute(found, name, module_name)


def _import(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(f"{missing}."):
            told = f"there is no module {missing!r}, in {here} or installed"
            raise VerifyError(told) from error
        raise VerifyError(f"importing {name} failed: it needs {missing}") from error
    except SyntaxError as error:
        where = f"{Path(error.filename or name).name}, line {error.lineno}"
        raise VerifyError(f"importing {name} failed: {error.msg} ({where})") from error
    except (Exception, SystemExit) as error:
        raise VerifyError(
            f"importing {name} failed: {type(error).__name__}: {error}{line_of(error)}"
        ) from error


def _attribute(owner: Any, name: str, module: str) -> Any:
    if not hasattr(owner, name):
        public = [n for n in vars(owner) if not n.startswith("_")]
        raise VerifyError(f"{module} has no {name!r}{nearest(name, public)}")
    return getattr(owner, name)
