"""Every preset measured, an engine beside its baselines or op by op, and the tables."""

from __future__ import annotations

import dataclasses
from typing import Any

from rich.console import RenderableType

from npformer.bench import numpy_baselines, profile, torch_baselines
from npformer.bench.machine import machine
from npformer.bench.settings import BenchConfig

SUITES = {"numpy": numpy_baselines, "torch": torch_baselines, "profile": profile}


def run_bench(config: BenchConfig) -> dict[str, Any]:
    """Measure every preset; times in seconds, memory in bytes, ready for JSON."""
    suite = "profile" if config.profile else config.engine
    return {
        "machine": machine(),
        "settings": dataclasses.asdict(config),
        "presets": {
            preset: {"suite": suite, **SUITES[suite].measure(preset, config)}
            for preset in config.presets
        },
    }


def tables(results: dict[str, Any]) -> list[RenderableType]:
    """A table a preset, from what ``run_bench`` returned."""
    return [
        SUITES[result["suite"]].table(preset, result)
        for preset, result in results["presets"].items()
    ]
