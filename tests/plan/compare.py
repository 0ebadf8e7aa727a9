"""The planned peak of a training update beside the measured one, as a table: minutes on a CPU.

    python -m tests.plan.compare tiny small base big

The measured peak is of all tensors that PyTorch allocates on the CPU, from the engine's making to
its second update, added up from the profiler's record of every allocation and release.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

from npformer.config import RunConfig, TwinConfig
from npformer.plan.memory import planned_memory
from npformer.plan.shape import Shape
from npformer.presets import run_preset
from torch_ref.train.measured_memory import measure_update

SHAPES = {
    "tiny": (Shape(64, 32, 32), Shape(20, 100, 60)),
    "small": (Shape(128, 32, 32), Shape(20, 60, 100)),
    "base": (Shape(32, 32, 32), Shape(6, 120, 100)),
    "big": (Shape(16, 32, 32), Shape(3, 120, 100)),
}
WAYS: dict[str, dict[str, Any]] = {
    "float32": {},
    "float32, checkpointed": dict(checkpoint_activations=True),
    "float32, loss in chunks": dict(loss_chunk=256),
    "bf16": dict(precision="bf16"),
    "bf16, loss in chunks": dict(precision="bf16", loss_chunk=256),
    "bf16, both": dict(precision="bf16", checkpoint_activations=True, loss_chunk=256),
}


def config_of(preset: str, way: str) -> RunConfig:
    """The preset with its whole vocabulary and dropout, on the CPU."""
    run = run_preset(preset)
    model = dataclasses.replace(run.model, vocab_size=run.data.vocab_size, dropout=0.1)
    settings: dict[str, Any] = {"device": "cpu", "loss_chunk": 0, **WAYS[way]}
    again = settings.pop("checkpoint_activations", False)
    train = dataclasses.replace(run.train, checkpoint_activations=again)
    return dataclasses.replace(run, model=model, train=train, twin=TwinConfig(**settings))


def main(presets: list[str]) -> None:
    """Measure, and print a row as soon as it is known."""
    print("| preset | pairs x source + target | | planned MB | measured MB | |")
    print("|---|---|---|---:|---:|---:|")
    for preset in presets:
        for shape in SHAPES[preset]:
            for way in WAYS:
                config = config_of(preset, way)
                planned = planned_memory(config, shape, "cpu").total
                measured = measure_update(config, shape)
                print(
                    f"| {preset} | {shape.rows} x {shape.source} + {shape.target} | {way} "
                    f"| {planned / 1e6:,.1f} | {measured / 1e6:,.1f} "
                    f"| {planned / measured - 1:+.1%} |",
                    flush=True,
                )


if __name__ == "__main__":
    main(sys.argv[1:] or list(SHAPES))
