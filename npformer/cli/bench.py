"""``npformer bench``: NumPy, its PyTorch twin, torch.compile and the floor, in one run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from npformer.bench.suite import BenchConfig, run_bench, tables


@dataclass(frozen=True)
class Command:
    """Time a training step and decoding: NumPy, its PyTorch twin, torch.compile, and the floor.

    A step is forward, backward and Adam. The floor is the step's matrix products alone, on arrays
    that stand ready: no NumPy can be faster. Everybody takes turns in one run, so that a machine
    that slows down slows all of them, and the figures are medians. Let nothing else run beside it.

    Examples:
      npformer bench
      npformer bench --presets tiny --rounds 3 --no-compile
      npformer bench --json bench.json
    """

    bench: Annotated[BenchConfig, tyro.conf.arg(name="")] = field(default_factory=BenchConfig)
    json: Path | None = None
    """Also write the figures here."""

    def __call__(self) -> int:
        results = run_bench(self.bench)
        console = Console()
        machine = results["machine"]
        console.print(", ".join(f"{name} {value}" for name, value in machine.items()))
        for table in tables(results):
            console.print(table)
        if self.json is not None:
            self.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        return 0
