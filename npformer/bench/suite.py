"""Ask each contender in turn, take medians, and lay them side by side."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from npformer.bench.contenders import CONTENDERS
from npformer.bench.shapes import bench_config, model_flops, workload
from npformer.errors import ConfigError


@dataclass(frozen=True)
class BenchConfig:
    """What to measure."""

    presets: tuple[str, ...] = ("tiny", "small", "base")
    """Models to measure, each with the batch that npformer/bench/shapes.py gives it."""
    rounds: int = 7
    """Times that every contender has its turn; medians are over all of them."""
    steps: int = 3
    """Training steps in one turn."""
    decode_tokens: int = 100
    """Tokens that a turn of greedy decoding writes, one sentence at a time."""
    workers: int = 2
    """Threads of each contender."""
    dropout: float | None = None
    """Dropout of the training step; the preset's own unless given."""
    compile: bool = True
    """Measure torch.compile too (it needs a C++ compiler and minutes)."""

    def __post_init__(self) -> None:
        for name in ("rounds", "steps", "decode_tokens", "workers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        for preset in self.presets:
            workload(preset)


class Contender:
    """One contender's process; ``ask`` sends it a request and waits for its answer."""

    def __init__(self, name: str, preset: str, config: BenchConfig) -> None:
        dropout = "preset" if config.dropout is None else str(config.dropout)
        # A file, not a pipe: a pipe that nobody reads would fill up and stop the contender.
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (``close`` closes it)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "npformer.bench.contenders"]
            + [name, preset, str(config.workers), dropout],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(config.workers)},
        )

    def ask(self, what: str, count: int) -> dict[str, Any] | None:
        """The answer to ``what count``, or None if the contender could not give one."""
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(f"{what} {count}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return None
        answer = self._process.stdout.readline()
        return json.loads(answer) if answer else None

    def close(self) -> str:
        """End the process; returns the last line that it wrote as an error, if any."""
        self._process.communicate()
        with self._errors as errors:
            errors.seek(0)
            return (errors.read().strip().splitlines() or [""])[-1]


def run_bench(config: BenchConfig) -> dict[str, Any]:
    """Measure every preset; times in seconds, memory in bytes, ready for JSON."""
    return {
        "machine": machine(),
        "presets": {preset: _measure(preset, config) for preset in config.presets},
    }


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    import numpy as np
    import torch

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
    }


def _measure(preset: str, config: BenchConfig) -> dict[str, Any]:
    names = [name for name in CONTENDERS if config.compile or name != "torch.compile"]
    rows: dict[str, Any] = {}
    training = {name: Contender(name, preset, config) for name in names}
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(config.rounds + 1):
        for name, contender in list(training.items()):
            answer = contender.ask("step", config.steps)
            if answer is None:
                rows[name] = {"failed": training.pop(name).close()}
                continue
            rows[name] = {"peak_memory": answer["peak_memory"]}
            if turn:  # the first turn warms up
                times[name] += answer["times"]
    for name, contender in training.items():
        contender.close()
        rows[name]["step"] = statistics.median(times[name])

    decoding = {name: Contender(name, preset, config) for name in ("numpy", "torch")}
    per_token: dict[str, list[float]] = {name: [] for name in decoding}
    for turn in range(config.rounds + 1):
        for name, contender in decoding.items():
            answer = contender.ask("decode", config.decode_tokens)
            if answer is not None and turn:
                per_token[name] += answer["times"]
    for name, contender in decoding.items():
        contender.close()
        if per_token[name]:
            rows[name]["decode_tokens_per_s"] = 1 / statistics.median(per_token[name])

    shape = workload(preset)
    model = bench_config(preset, workers=config.workers, dropout=config.dropout).model
    return {
        "batch": f"{shape.rows} x {shape.length}",
        "vocab_size": model.vocab_size,
        "dropout": model.dropout,
        "flops": model_flops(model, shape.rows, shape.length),
        "contenders": rows,
    }


def tables(results: dict[str, Any]) -> list[Table]:
    """A table a preset: the times, and their ratios to the twin's and to the floor's."""
    drawn = []
    for preset, result in results["presets"].items():
        rows = result["contenders"]
        eager, floor = rows["torch"].get("step"), rows["floor"].get("step")
        table = Table(
            title=f"{preset}: {result['batch']} tokens, vocabulary {result['vocab_size']:,}, "
            f"dropout {result['dropout']}"
        )
        table.add_column("contender")
        for heading in ("step ms", "/ eager", "/ floor", "GFLOP/s", "peak MiB", "decode tokens/s"):
            table.add_column(heading, justify="right")
        for name, row in rows.items():
            step = row.get("step")
            if step is None:
                table.add_row(name, "-", f"failed: {row['failed']}")
                continue
            decode = row.get("decode_tokens_per_s")
            table.add_row(
                name,
                f"{step * 1e3:.1f}",
                f"{step / eager:.2f}" if eager else "-",
                f"{step / floor:.2f}" if floor else "-",
                f"{result['flops'] / step / 1e9:.0f}",
                f"{row['peak_memory'] / 2**20:.0f}",
                f"{decode:.0f}" if decode else "-",
            )
        drawn.append(table)
    return drawn


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
