"""Time per token of a training step against sentences and their length, and a picture of it.

    python -m tests.bench.scale docs/scale.png                            # quiet: some minutes
    python -m tests.bench.scale docs/scale.png --clock cpu --workers 1    # where others work too

NumPy, the twin (eager) and the floor, the step's matrix products alone, each in a process of its
own, by turns: ``small`` with full batches, 1 to 64 sentences of 32 tokens, and 8 sentences of 16 to
512.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from npformer.bench.process import Answer, BenchProcess, serve
from npformer.bench.shapes import bench_config, shards
from npformer.config import RunConfig
from npformer.text.batches import Batch

PRESET, TOKENS, SENTENCES = "small", 32, 8
BATCHES = [(2**n, TOKENS) for n in range(7)]
LENGTHS = [(SENTENCES, 2**n) for n in range(4, 10)]
NAMES = {"numpy": "NumPy", "torch": "twin, eager", "floor": "floor"}
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def step_of(name: str, config: RunConfig, rows: int, length: int) -> Callable[[int], None]:
    """One step of that many sentences and tokens, as a function of its number."""
    if name == "floor":
        from npformer.bench.floor import floor_step
        from npformer.bench.products import step_products

        parts = shards(rows, config.train.workers)
        return floor_step([step_products(config.model, part, length) for part in parts])
    ids = np.random.default_rng(0).integers(4, config.model.vocab_size, (3, rows, length))
    batch, engine = Batch.of_pairs(*ids), _engine(name, config)

    def step(number: int) -> None:
        engine.gradients(batch, (0, number))
        engine.update(1e-4)

    return step


def _engine(name: str, config: RunConfig) -> Any:
    if name == "numpy":
        from npformer.train.numpy_engine import NumpyEngine

        return NumpyEngine(config)
    import torch

    from torch_ref.train import TorchEngine

    torch.set_num_threads(config.train.workers)
    return TorchEngine(config)


def measured(
    shapes: list[tuple[int, int]], rounds: int, clock: str, workers: int
) -> dict[str, list[float]]:
    """Of each engine the least seconds of a step, a shape each."""
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    arguments = (clock, str(workers))
    running = {n: BenchProcess("tests.bench.scale", n, *arguments, threads=workers) for n in NAMES}
    for rows, length in shapes:
        times: dict[str, list[float]] = {name: [] for name in NAMES}
        for _ in range(rounds + 1):
            for name, process in running.items():
                answer = process.ask(rows=rows, length=length)
                if answer is None:
                    raise SystemExit(f"{name} failed: {process.close()}")
                times[name].append(answer["seconds"])
        for name, each in times.items():
            found[name].append(min(each[1:]))
    for process in running.values():
        process.close()
    return found


def draw(picture: Path, panels: list[tuple[list[tuple[int, int]], int, str, Any]]) -> None:
    """Microseconds a token over each panel's shapes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True)
    for part, (shapes, axis, label, found) in zip(axes, panels, strict=True):
        x = [shape[axis] for shape in shapes]
        for (name, title), mark in zip(NAMES.items(), "os^", strict=True):
            part.plot(x, per_token(shapes, found[name]), marker=mark, markersize=4, label=title)
        part.set_xscale("log", base=2)
        part.set_yscale("log")
        part.set_xticks(x, [str(n) for n in x])
        part.yaxis.set_major_formatter("{x:,.0f}")
        part.yaxis.set_minor_formatter("{x:,.0f}")
        part.grid(which="both", alpha=0.3)
        part.set_xlabel(label)
    axes[0].set_ylabel("microseconds a target token")
    axes[0].legend()
    figure.savefig(picture, dpi=120)


def per_token(shapes: list[tuple[int, int]], seconds: list[float]) -> list[float]:
    """Microseconds."""
    return [1e6 * s / (rows * length) for s, (rows, length) in zip(seconds, shapes, strict=True)]


def answer_as(name: str, clock: str, workers: int) -> None:
    """Time the steps that are asked for, until standard input ends."""
    config = bench_config(PRESET, "transformer", workers=workers)
    model = dataclasses.replace(config.model, max_length=max(n for _, n in LENGTHS))
    config = dataclasses.replace(config, model=model)
    kept: dict[tuple[int, int], Callable[[int], None]] = {}
    number = 0

    def answer(rows: int, length: int) -> Answer:
        nonlocal number
        if (rows, length) not in kept:
            kept.clear()
            kept[rows, length] = step_of(name, config, rows, length)
        number += 1
        began = CLOCKS[clock]()
        kept[rows, length](number)
        return {"seconds": CLOCKS[clock]() - began}

    serve(answer)


def main() -> None:
    """Measure, print a table, draw."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    panels = []
    for shapes, axis, label in (
        (BATCHES, 0, f"sentences of {TOKENS} tokens"),
        (LENGTHS, 1, f"tokens of each of {SENTENCES} sentences"),
    ):
        found = measured(shapes, given.rounds, given.clock, given.workers)
        panels.append((shapes, axis, label, found))
        print(f"| {label} | {' | '.join(NAMES.values())} | NumPy / floor |", flush=True)
        for at, shape in enumerate(shapes):
            each = [per_token(shapes, found[name])[at] for name in NAMES]
            ratio = each[0] / each[-1]
            print(f"| {shape[axis]} | {' | '.join(f'{x:,.0f}' for x in each)} | {ratio:.2f} |")
    draw(given.picture, panels)


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in NAMES:
        answer_as(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        main()
