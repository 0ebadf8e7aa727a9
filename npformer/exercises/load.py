"""A Python file as a module, from anywhere, without a trace in ``sys.modules``."""

from __future__ import annotations

import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

from npformer.exercises.faults import of_exception
from npformer.exercises.outcome import Outcome


def load_python(path: Path) -> ModuleType:
    """Run the file and give its module. Whatever it raises comes through."""
    loader = _Loader(f"submission_{path.stem}", str(path))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


class _Loader(SourceFileLoader):
    def _cache_bytecode(self, *_: object) -> None:
        """Leave no __pycache__ in a learner's folder."""


def compiles(path: Path) -> bool:
    """Whether the file is Python; none of it is run."""
    try:
        compile(path.read_bytes(), str(path), "exec")
    except Exception:  # ``load_submission`` meets it again, and says what it is
        return False
    return True


def load_submission(path: Path) -> ModuleType | Outcome:
    """The module of a learner's file, or what is wrong with it in a sentence."""
    folder = str(path.parent)
    sys.path.insert(0, folder)
    try:
        return load_python(path)
    except SyntaxError as error:
        own = error.filename in (None, str(path))
        where = f"line {error.lineno} of {path.name}" if own else f"{error.filename}"
        return Outcome("broken", f"{where} is not valid Python: {error.msg}")
    except ImportError as error:
        fault = of_exception(error, path)
        where = fault.sentence.partition(" stops with ")[0]
        return Outcome("broken", f"{where} imports what is not there: {error}")
    except UnicodeDecodeError:
        return Outcome("broken", f"{path.name} is not UTF-8 text; save it as UTF-8")
    except ValueError as error:
        if "null bytes" in str(error):
            return Outcome("broken", f"{path.name} is not a Python file: it holds null bytes")
        return Outcome("broken", of_exception(error, path).sentence)
    except (Exception, SystemExit) as error:
        fault = of_exception(error, path)
        return Outcome("blank" if fault.kind == "blank" else "broken", fault.sentence)
    finally:
        sys.path.remove(folder)
