"""``--engine numpy``: NumPy, its twin, torch.compile, JAX and the floor, by turns."""

from __future__ import annotations

import importlib.util
import json
import math
import statistics
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from npformer.bench.process import Answer, BenchProcess, take_turns
from npformer.bench.settings import BenchConfig
from npformer.bench.shapes import bench_config, shards, workload
from npformer.errors import NpformerError, install
from npformer.models import DEFAULT, family

IMPLEMENTATIONS = ("numpy", "torch", "torch.compile", "jax", "floor")
LEFT_OUT = f"JAX is left out: it is not installed; {install('jax')}"


def measure(preset: str, config: BenchConfig) -> dict[str, Any]:
    """One preset's figures: seconds a step, bytes, tokens a second of greedy decoding."""
    shape = workload(preset)
    model = bench_config(preset, config.model, workers=config.workers, dropout=config.dropout).model
    parts = _products(preset, config)
    here = importlib.util.find_spec("jax") is not None
    absent = {"torch.compile": not config.compile, "jax": not here or config.model != DEFAULT}
    names = [name for name in IMPLEMENTATIONS if not absent.get(name)]
    running = {
        name: BenchProcess("npformer.bench.floor", json.dumps(parts), threads=config.workers)
        if name == "floor"
        else BenchProcess(
            "npformer.bench.numpy_runner", name, preset, config.to_json(), threads=config.workers
        )
        for name in names
    }
    answers, failures = take_turns(running, config.rounds, what="step", count=config.steps)
    rows: dict[str, Any] = {
        name: {
            "peak_memory": answers[name][-1]["peak_memory"],
            "step": statistics.median(_times(answers[name])),
        }
        for name in running
    }
    decoding: dict[str, BenchProcess] = {
        name: running[name]
        for name in ("numpy", "torch")
        if name in running and family(config.model).decodes
    }
    request = dict(what="decode", count=config.decode_tokens)
    answers, failed = take_turns(decoding, config.rounds, **request)
    for name in decoding:
        rows[name]["decode_tokens_per_s"] = 1 / statistics.median(_times(answers[name]))
    for name in set(running) - set(failed):
        running[name].close()
    rows |= {name: {"failed": why} for name, why in (failures | failed).items()}

    return {
        "batch": f"{shape.rows} x {shape.length}",
        "vocab_size": model.vocab_size,
        "dropout": model.dropout,
        "flops": 2 * sum(math.prod(size) for part in parts for size in part),
        "implementations": {name: rows[name] for name in names},
        "left_out": [] if here or config.model != DEFAULT else [LEFT_OUT],
    }


def _products(preset: str, config: BenchConfig) -> list[list[list[int]]]:
    """The products of each thread's part of the batch: stack, m, k, n, and how many times.

    Raises ``NpformerError`` if they cannot be counted.
    """
    process = BenchProcess(
        "npformer.bench.products", preset, config.to_json(), threads=config.workers
    )
    rows = shards(workload(preset).rows, config.workers)
    answers = [process.ask(rows=count) for count in rows]
    why = process.close()
    if missing := [count for count, answer in zip(rows, answers, strict=True) if answer is None]:
        raise NpformerError(f"the products of {missing[0]} rows cannot be counted: {why}")
    return [answer["products"] for answer in answers if answer is not None]


def _times(answers: list[Answer]) -> list[float]:
    return [time for answer in answers for time in answer["times"]]


def table(preset: str, result: dict[str, Any]) -> RenderableType:
    """Times and memory of a preset, and their ratios to the twin's and to the floor's."""
    rows = result["implementations"]
    eager, floor = rows["torch"].get("step"), rows["floor"].get("step")
    memory = rows["torch"].get("peak_memory")
    drawn = Table(
        title=f"{preset}: {result['batch']} tokens, vocabulary {result['vocab_size']:,}, "
        f"dropout {result['dropout']}"
    )
    drawn.add_column("implementation")
    for heading in (
        *("step ms", "/ eager", "/ floor", "GFLOP/s", "peak MiB", "/ eager"),
        "decode tokens/s",
    ):
        drawn.add_column(heading, justify="right")
    for name, row in rows.items():
        step = row.get("step")
        if step is None:
            drawn.add_row(name, "-", f"failed: {row['failed']}")
            continue
        decode = row.get("decode_tokens_per_s")
        drawn.add_row(
            name,
            f"{step * 1e3:.1f}",
            f"{step / eager:.2f}" if eager else "-",
            f"{step / floor:.2f}" if floor else "-",
            f"{result['flops'] / step / 1e9:.0f}",
            f"{row['peak_memory'] / 2**20:.0f}",
            f"{row['peak_memory'] / memory:.2f}" if memory else "-",
            f"{decode:.0f}" if decode else "-",
        )
    return Group(drawn, *map(Text, result["left_out"]))
