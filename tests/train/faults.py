"""What can happen to a checkpoint's files while nobody looks, and that a run survives it."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np

from npformer.train.run_directory import checkpoints, latest_checkpoint

Tree = dict[str, tuple[int, bytes | None]]


def flip(path: Path, other: Path, rng: np.random.Generator) -> None:
    """One bit, anywhere."""
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    path.write_bytes(content)


def cut(path: Path, other: Path, rng: np.random.Generator) -> None:
    """The end is missing."""
    os.truncate(path, rng.integers(path.stat().st_size))


def empty(path: Path, other: Path, rng: np.random.Generator) -> None:
    """There is a file, but nothing in it."""
    os.truncate(path, 0)


def lose(path: Path, other: Path, rng: np.random.Generator) -> None:
    """The file is gone."""
    path.unlink()


def swap(path: Path, other: Path, rng: np.random.Generator) -> None:
    """Two files have each other's content."""
    name = rng.choice(sorted(file.name for file in path.parent.iterdir() if file != path))
    content, second = path.read_bytes(), path.with_name(str(name))
    path.write_bytes(second.read_bytes())
    second.write_bytes(content)


def confuse(path: Path, other: Path, rng: np.random.Generator) -> None:
    """The file is that of another checkpoint; or, where they are alike, all files are."""
    alike = path.read_bytes() == (other / path.name).read_bytes()
    for file in path.parent.iterdir() if alike else [path]:
        shutil.copyfile(other / file.name, file)


FAULTS = (flip, flip, flip, cut, empty, lose, swap, confuse)


def tree(folder: Path) -> Tree:
    """Every path below, with the time of its last change and, of a file, its content."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in folder.rglob("*")
    }


def check_faults(run: Path, copy: Path, count: int, seed: int = 0) -> Counter[str]:
    """Damage the newest checkpoint of ``run`` in ``count`` ways, one after another.

    Each must be noticed, the checkpoint before be taken in its place, with a warning, and nothing
    be changed. ``copy`` is where the newest checkpoint is kept in the meantime.
    """
    before, newest = list(checkpoints(run).values())[-2:]
    rng, done = np.random.default_rng(seed), Counter[str]()
    shutil.copytree(newest, copy)
    for number in range(count):
        fault = FAULTS[number % len(FAULTS)]
        name = str(rng.choice(sorted(file.name for file in copy.iterdir())))
        fault(newest / name, before, rng)
        damaged = tree(run)
        found, warning = latest_checkpoint(run)
        what = f"{fault.__name__} {name} ({number})"
        assert found == before, what
        assert str(newest) in warning and f"using {before} instead" in warning, what
        assert "\n" not in warning, what
        assert tree(run) == damaged, what
        shutil.rmtree(newest)
        shutil.copytree(copy, newest)
        done[fault.__name__] += 1
    assert latest_checkpoint(run) == (newest, "")
    return done
