"""What ``npformer bench`` is to measure."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Literal

from npformer import models
from npformer.bench.shapes import bench_config, workload
from npformer.config import RunConfig
from npformer.errors import ConfigError
from npformer.models.gpt import GPTConfig
from npformer.presets import LATER

BASELINES: dict[str, tuple[str, ...]] = {"transformer": ("nn", "marian"), "gpt": ("llama",)}
"""Of a family, the models of others that are the same function."""


@dataclass(frozen=True)
class BenchConfig:
    """What to measure; raises ConfigError for a setting out of range."""

    engine: Literal["numpy", "torch"] = "numpy"
    """What is compared: `numpy` with the twin and the floor, or `torch`, the twin, with others'."""
    model: str = models.DEFAULT
    """Family of models, by the name of its file in npformer/models."""
    presets: tuple[str, ...] = ("tiny", "small", "base")
    """Models to measure, each with the batch that npformer/bench/shapes.py gives it."""
    rounds: int = 7
    """Turns of every implementation; medians are over all of them."""
    steps: int = 3
    """Training steps in one turn."""
    decode_tokens: int = 100
    """Tokens that decoding writes, of every sentence."""
    batch: int = 0
    """Tokens a side of a training batch, for --engine torch; 0 takes the preset's."""
    precision: Literal["full", "bf16"] = "full"
    """For --engine torch: products in float32 (on a GPU TF32), or in bfloat16."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where --engine torch runs; `auto` takes a GPU if there is one."""
    workers: int = 2
    """Threads of each implementation."""
    dropout: float | None = None
    """Dropout of the training step; the preset's own unless given."""
    compile: bool = True
    """With numpy measure torch.compile too, with torch compile everyone (minutes; a compiler)."""
    profile: bool = False
    """Of the NumPy step alone: the time of each op and worker, beside what it takes at least."""

    def __post_init__(self) -> None:
        if self.engine == "torch" and not self.baselines:
            raise ConfigError(
                f"--engine torch has no baselines of {self.model}; measure it with --engine numpy, "
                f"or one of {', '.join(BASELINES)}"
            )
        if self.engine == "torch" and self.profile:
            raise ConfigError("profile is of the NumPy step; leave --engine torch out")
        for name in ("rounds", "steps", "decode_tokens", "workers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        if self.batch < 0:
            raise ConfigError(f"batch is {self.batch}; it must be 0 or more")
        for preset in self.presets:
            workload(preset)

    @property
    def baselines(self) -> tuple[str, ...]:
        """What --engine torch compares the twin with."""
        return BASELINES.get(self.model, ())

    def run(self, preset: str) -> RunConfig:
        """What every implementation of --engine torch is made from: a decoder alone, as Llama's."""
        run = bench_config(preset, self.model, workers=self.workers, dropout=self.dropout)
        model = run.model
        if isinstance(model, GPTConfig):
            model = dataclasses.replace(model, **{**LATER, "kv_heads": None}, dropout=0.0)
        twin = dataclasses.replace(
            run.twin, device=self.device, precision=self.precision, compile=self.compile
        )
        return dataclasses.replace(run, model=model, twin=twin)

    def to_json(self) -> str:
        """For the process of an implementation."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> BenchConfig:
        """The reverse."""
        fields = json.loads(text)
        return cls(**{**fields, "presets": tuple(fields["presets"])})
