"""Every preset measured by the line-up of its engine, and laid out in tables."""

from __future__ import annotations

import dataclasses
from typing import Any

from rich.console import RenderableType

from npformer.bench import numpy_line_up, torch_line_up
from npformer.bench.machine import machine
from npformer.bench.settings import BenchConfig

LINE_UPS = {"numpy": numpy_line_up, "torch": torch_line_up}


def run_bench(config: BenchConfig) -> dict[str, Any]:
    """Measure every preset; times in seconds, memory in bytes, ready for JSON."""
    measure = LINE_UPS[config.engine].measure
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
        LINE_UPS[result["engine"]].table(preset, result)
        for preset, result in results["presets"].items()
    ]
