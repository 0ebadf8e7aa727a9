"""The rules of the layout: who imports whom, what `import npformer` needs, how an op is written."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]

# What each part of npformer may import from npformer besides itself.
GROUND = {"errors", "fields", "discovery", "files"}
SEAM = GROUND | {"seam"}
FOUNDATION = GROUND | {"config"}
MATHEMATICS = SEAM | {"config", "ops", "nn", "models"}
ALLOWED = {
    "config": {"fields", "optim"},
    "fields": {"errors"},
    "discovery": set(),
    "presets": FOUNDATION | {"models"},
    "errors": set(),
    "files": {"errors"},
    "seam": set(),
    "ops": SEAM,
    "nn": SEAM | {"ops"},
    "models": SEAM | {"config", "ops", "nn"},
    "optim": SEAM | {"nn"},
    "data": FOUNDATION,
    "text": FOUNDATION | {"data"},
    "pretrained": MATHEMATICS | {"audio", "text", "train"},
    "audio": GROUND,
    "decode": MATHEMATICS | {"audio", "text"},
    "plan": FOUNDATION,
    "train": MATHEMATICS | {"text", "optim", "decode", "plan"},
    "inspect": MATHEMATICS | {"text", "decode"},
    "cards": MATHEMATICS | {"optim"},
    "verify": MATHEMATICS | {"cards", "optim", "text", "train", "decode", "inspect", "pretrained"},
    "bench": MATHEMATICS
    | {"presets", "optim", "text", "train", "decode", "inspect", "plan", "pretrained"},
    "exercises": MATHEMATICS | {"text", "decode", "train", "cards", "verify"},
    "explorer": MATHEMATICS | {"text", "decode", "inspect"},
    "sweep": MATHEMATICS | {"optim", "text", "train", "decode", "inspect"},
    "pytest_plugin": {"verify"},
}
WITH_TORCH = {"cards", "verify", "bench", "plan", "cli"}
CHOOSES_ENGINE = "npformer.train.engines"  # it alone, below these, names the twin, and late
TWIN_MAY_IMPORT = {"config", "discovery", "errors", "files", "seam", "plan", "text", "train"}
TWIN_COMMAND = "torch_ref.train.__main__"  # a command line: it may import npformer's
READS_PICKLES = "npformer.pretrained.torch_bin"  # a format of PyTorch's own, read by it, late
PLAIN_DATA = {"npformer.inspect.recording"}  # shared with the twin
BLOCKS = ("Shapes", "Forward", "Backward", "Reading")


def modules(package: str) -> dict[str, Path]:
    """Every module of a package by its dotted name."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def syntax(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Those directly in a module, a definition or a compound statement."""
    for block in ("body", "orelse", "handlers", "finalbody", "cases"):
        yield from getattr(node, block, ())


def imports(path: Path, *, lazy: bool = True, types: bool = False) -> Iterator[str]:
    """The dotted names that a file imports; without ``lazy``, only when it is itself imported.

    With ``types``, also those that only a type checker sees.
    """
    for name, late, typed in _imports(path):
        if (lazy or not late) and (types or not typed):
            yield name


@functools.cache
def _imports(path: Path) -> list[tuple[str, bool, bool]]:
    """What a file imports, whether in a function, and whether for types alone."""

    def visit(node: ast.AST, late: bool, typed: bool) -> Iterator[tuple[str, bool, bool]]:
        for child in statements(node):
            if isinstance(child, ast.Import):
                yield from ((alias.name, late, typed) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path} has a relative import"
                yield from ((f"{child.module}.{one.name}", late, typed) for one in child.names)
            else:
                function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
                yield from visit(child, late or function, typed or _is_type_checking(child))

    return list(visit(syntax(path), False, False))


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def part_of(name: str) -> str:
    """``nn`` for ``npformer.nn.linear``; empty for npformer itself."""
    return (name.split(".") + [""])[1]


NUMPY_SIDE = modules("npformer")
TORCH_SIDE = modules("torch_ref")


def test_imports_follow_the_arrows():
    assert not [
        f"{name} must not import {imported}"
        for name, path in NUMPY_SIDE.items()
        if (part := part_of(name)) in ALLOWED
        for imported in imports(path)
        if imported.startswith("npformer.") and part_of(imported) not in {part, *ALLOWED[part]}
    ]


def test_every_part_of_npformer_has_its_arrows():
    parts = {part_of(name) for name in NUMPY_SIDE} - {"", "cli", "__main__"}
    assert parts == set(ALLOWED)


def test_the_arrows_have_no_circle():
    done: set[str] = set()
    while ready := {p for p, needs in ALLOWED.items() if p not in done and needs <= done}:
        done |= ready
    assert done == set(ALLOWED)


def of_torch(name: str, *, lazy: bool) -> list[str]:
    """What a file imports of PyTorch and of the twin."""
    return [
        f"{name} imports {imported}"
        for imported in imports(NUMPY_SIDE[name], lazy=lazy)
        if imported.split(".")[0] in ("torch", "torch_ref")
    ]


def test_no_torch_below_verify_bench_plan_and_cli():
    late = (CHOOSES_ENGINE, READS_PICKLES)
    below = [name for name in NUMPY_SIDE if part_of(name) not in WITH_TORCH]
    assert len(below) > 100
    assert not [wrong for name in below for wrong in of_torch(name, lazy=name not in late)]


def test_the_command_line_imports_torch_only_when_asked_for_it():
    commands = [name for name in NUMPY_SIDE if part_of(name) == "cli"]
    assert len(commands) > 10
    assert not [wrong for name in commands for wrong in of_torch(name, lazy=False)]


def test_the_twin_sees_only_the_engine_free_parts():
    assert not [
        f"{name} must not import {imported}"
        for name, path in TORCH_SIDE.items()
        for allowed in [TWIN_MAY_IMPORT | ({"cli"} if name == TWIN_COMMAND else set())]
        for imported in imports(path)
        if imported.split(".")[0] == "npformer"
        and imported.rpartition(".")[0] not in PLAIN_DATA
        and (part_of(imported) not in allowed or "numpy_engine" in imported)
    ]


def test_no_two_files_import_each_other_in_a_circle():
    """Imports inside functions and for types alone count too: late, a circle is still one."""
    files = {**NUMPY_SIDE, **TORCH_SIDE}
    waits_on = {}
    for name, path in files.items():
        wanted = set()
        for imported in imports(path, types=True):
            target = imported if imported in files else imported.rpartition(".")[0]
            if target in files and target != name:
                wanted.add(target)
        waits_on[name] = wanted
    while ready := _not_in_a_circle(waits_on):
        for name in ready:
            del waits_on[name]
    assert not waits_on, f"a circle of imports runs through {sorted(waits_on)}"


def _not_in_a_circle(waits_on: dict[str, set[str]]) -> set[str]:
    """Files that import nothing of what is left, or that nothing left imports."""
    wanted = set().union(*waits_on.values()) if waits_on else set()
    return {name for name, needs in waits_on.items() if not needs & waits_on.keys()} | (
        waits_on.keys() - wanted
    )


def test_importing_npformer_needs_numpy_alone():
    """Every package that is neither Python's own nor NumPy is refused, and the model still runs."""
    script = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root not in sys.stdlib_module_names and root not in ("numpy", "npformer"):
            raise ModuleNotFoundError(f"refused: {name}", name=name)

sys.meta_path.insert(0, Refuse())
import npformer, npformer.ops, npformer.nn, npformer.presets
from npformer.models.transformer import Transformer
import numpy as np
config = npformer.presets.model_preset("tiny", vocab_size=11)
model = Transformer(config, rng=np.random.default_rng(0))
logits, _ = model.forward(np.array([[4, 5, 3]]), np.array([[2, 6]]))
assert logits.shape == (1, 2, 11), logits.shape
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr


def functions(tree: ast.Module) -> list[str]:
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


OPS = {
    name.rpartition(".")[2]: tree
    for name, path in NUMPY_SIDE.items()
    if part_of(name) == "ops"
    for tree in [syntax(path)]
    if any(function.endswith("_forward") for function in functions(tree))
}


@pytest.mark.parametrize("op", OPS)
def test_an_op_is_a_pair_with_its_derivation(op):
    """One file, one op; its backward right below its forward; four blocks above both."""
    documented = ast.get_docstring(OPS[op]) or ""
    starts = [documented.find(f"\n{block} ") for block in BLOCKS]
    assert -1 not in starts, f"{op} lacks one of {BLOCKS}"
    assert starts == sorted(starts), f"{op} has its blocks in another order than {BLOCKS}"
    names = functions(OPS[op])
    passes = [name for name in names if name.endswith(("_forward", "_backward"))]
    assert passes == [f"{op}_forward", f"{op}_backward"]
    assert names.index(passes[1]) == names.index(passes[0]) + 1


def test_the_ops_of_a_transformer_are_there():
    assert {"linear", "embedding", "attention", "layer_norm", "cross_entropy"} <= set(OPS)


@pytest.mark.parametrize("name", [n for n in NUMPY_SIDE if part_of(n) in ("nn", "models")])
def test_every_module_has_a_twin_in_a_file_of_the_same_name(name):
    """The classes of each NumPy file that PyTorch has to answer to are in the same place there."""
    owners = public_modules(NUMPY_SIDE[name])
    if not owners:
        return
    twin = TORCH_SIDE.get(name.replace("npformer", "torch_ref", 1))
    assert twin is not None, f"{name} has no file of the same name in torch_ref"
    assert owners <= {n.name for n in classes(twin)}


def classes(path: Path) -> list[ast.ClassDef]:
    return [node for node in syntax(path).body if isinstance(node, ast.ClassDef)]


def public_modules(path: Path) -> set[str]:
    return {
        node.name
        for node in classes(path)
        if any(ast.unparse(base) in ("Module", "Positions") for base in node.bases)
    }


def own_raises(node: ast.AST) -> Iterator[str]:
    """What a function's own body raises, not that of a function in it."""
    for child in statements(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            continue
        if isinstance(child, ast.Raise) and isinstance(child.exc, ast.Call):
            yield ast.unparse(child.exc.func).rpartition(".")[2]
        yield from own_raises(child)


def public(node: ast.AST, owner: ast.ClassDef | None = None) -> Iterator[tuple[Any, list[Any]]]:
    """Every function with a public or special name, nested ones too, and what documents it.

    A special method, such as a constructor, has its class's docstring besides its own.
    """
    for child in statements(node):
        if isinstance(child, ast.FunctionDef):
            special = child.name.startswith("__")
            if special or not child.name.startswith("_"):
                yield child, [child, owner] if special and owner else [child]
        inside = child if isinstance(child, ast.ClassDef) else None
        yield from public(child, inside or (None if isinstance(child, ast.FunctionDef) else owner))


@pytest.mark.parametrize("package", ["npformer", "torch_ref"])
def test_a_function_that_raises_says_so(package):
    silent = [
        f"{module}.{node.name} raises {', '.join(sorted(raised))}"
        for module, path in modules(package).items()
        for node, documents in public(syntax(path))
        if (raised := set(own_raises(node)) - {"NotImplementedError", "AssertionError"})
        and not re.search(
            r"\brais(e|es|ed)\b",
            " ".join(ast.get_docstring(one) or "" for one in documents),
            re.IGNORECASE,
        )
    ]
    assert not silent, silent
