"""``package.module:name``, ``path.py:name`` -> what stands there; a mishap is one plain line."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from npformer.errors import VerifyError, nearest
from npformer.verify.contract import line_of


def load(reference: str) -> Any:
    """What ``my_package.my_module:name`` names; modules of the current directory are found too.

    In place of the module there may be the path of its file, ``kernels/mine.py:name``, whose folder
    its own imports are found in.

    A function ``name`` beside a ``name_backward``, or a ``name_forward`` beside one, is a pair.
    Raises ``VerifyError`` if the module cannot be imported or has no such name.
    """
    module_name, colon, path = reference.rpartition(":")
    _look_in(Path.cwd())
    if colon and module_name.endswith(".py"):
        module_name = _beside(Path(module_name))
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


def _beside(file: Path) -> str:
    """The module's name, once its folder is one that modules are found in."""
    if not file.is_file():
        raise VerifyError(f"there is no file {str(file)!r}")
    _look_in(file.resolve().parent)
    loaded = getattr(sys.modules.get(file.stem), "__file__", None)
    if loaded is not None and Path(loaded).resolve() != file.resolve():
        raise VerifyError(f"{str(file)!r} has the name of a module that is imported, {loaded}")
    return file.stem


def _look_in(folder: Path) -> None:
    """Modules are found there, before others."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _import(name: str) -> ModuleType:
    here = Path.cwd()
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
