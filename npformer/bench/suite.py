"""Every preset measured: an engine and its baselines, and the tables of the results."""

from __future__ import annotations

import dataclasses
from typing import Any

from rich.console import RenderableType

from npformer.bench import numpy_baselines, torch_baselines
from npformer.bench.machine import machine
from npformer.bench.settings import BenchConfig

SUITES = {"numpy": numpy_baselines, "torch": torch_baselines}


def run_bench(config: BenchConfig) -> dict[str, Any]:
    """Measure every preset; times in seconds, memory in bytes, ready for JSON."""
    measure = SUITES[config.engine].measure
    return {
        "machine": machine(),
        "settings": dataclasses.asdict(config),
        "presets": {
            preset: {"engine": config.engine, **measure(preset, config)}
            for preset in config.presets
        },
    }


def tables(results: dict[str, Any]) -> list[RenderableType]:
    """A table a preset, from what ``run_bench`` returned."""
    return [
        SUITES[result["engine"]].table(preset, result)
        for preset, result in results["presets"].items()
    ]
