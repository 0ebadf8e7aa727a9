"""``npformer bench``: the speed of either engine and of its baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from npformer.bench.settings import BenchConfig
from npformer.bench.suite import run_bench, tables
from npformer.cli.figures import reporter, write_figures

DEFAULTS = {
    "numpy": BenchConfig(),
    "torch": BenchConfig(
        engine="torch", presets=("small",), rounds=5, decode_tokens=32, compile=False
    ),
}


@dataclass(frozen=True)
class Command:
    """Time training and decoding, side by side in one run.

    --engine numpy: NumPy, its PyTorch twin, torch.compile, the same model in JAX (jitted; extra
    jax), and the floor. The floor is the step's matrix products alone, on arrays made beforehand:
    no NumPy can be faster.

    --engine torch: the twin, torch.nn.Transformer and Hugging Face's MarianMTModel (extra marian),
    of the same architecture, on the same batch, in the same precision, all compiled or none. Its
    ratios are over 1 where the twin is better.

    --profile: the NumPy step alone, op by op and worker by worker, beside each op's bound: its
    bytes over the memory's bandwidth, or its products' operations over a large product's rate.

    A step is forward, backward and Adam. Each implementation runs in a process of its own. They
    take turns, so that a machine that slows down slows all of them, and the figures are medians.
    Run nothing else at the same time.

    Examples:
      npformer bench
      npformer bench --presets tiny --rounds 3 --no-compile
      npformer bench --model gpt --presets tiny
      npformer bench --profile --presets base --rounds 1
      npformer bench --engine torch --json bench.json
      npformer bench --engine torch --presets base big --precision bf16 --compile     on a GPU
    """

    bench: Annotated[BenchConfig, tyro.conf.arg(name="")] = field(default_factory=BenchConfig)
    json: Path | None = None
    """Also write the figures to this file; - is standard output."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but warnings and errors."""

    @classmethod
    def default(cls, arguments: Sequence[str]) -> Command:
        """What the options change: the settings of the engine that is named."""
        words = [part for argument in arguments for part in argument.split("=")]
        named = next((b for a, b in zip(words, words[1:], strict=False) if a == "--engine"), "")
        return cls(DEFAULTS.get(named, DEFAULTS["numpy"]))

    def __call__(self) -> int:
        results = run_bench(self.bench)
        console = reporter(self.json, self.quiet)
        machine = results["machine"]
        console.print(", ".join(f"{name} {value}" for name, value in machine.items()))
        for table in tables(results):
            console.print(table)
        write_figures(self.json, "bench", results)
        return 0
