"""``npformer plan``: what a run will need and take, before a GPU is paid for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from npformer.cli.arguments import UsageError
from npformer.cli.figures import reporter, write_figures
from npformer.cli.plan_numpy import numpy_table, plan_numpy
from npformer.cli.plan_table import check_line, plan_table
from npformer.cli.settings import (
    DEFAULT_FAMILY,
    DEFAULT_PRESET,
    as_config,
    as_options,
    check_twin_options,
    named_config,
)
from npformer.config import (
    AdapterConfig,
    DataConfig,
    ModelConfig,
    OptimConfig,
    RunConfig,
    TrainConfig,
    TwinConfig,
)
from npformer.plan.devices import named_gpu
from npformer.plan.guard import check_fits
from npformer.plan.memory import planned_memory
from npformer.plan.plan import LENGTH, MFU, Assumptions, Plan, longest_length, make_plan
from npformer.plan.shape import DeviceKind

TOLERANCE = 0.10
"""How far a measured peak may be from the planned one."""


@dataclass(frozen=True)
class Command:
    """Estimate a training run: its memory, and of the PyTorch twin also arithmetic, time and cost.

    The run is given as for npformer train, by a preset and what is changed of it; the vocabulary is
    taken to be as large as --vocab-size allows. Nothing is trained and no GPU is needed. Memory is
    the peak of an update on each GPU; if it is too much, what would make it fit is said with the
    figure for each. Time is the operations of all matrix products at the share of the GPU's peak
    that --mfu assumes.

    With --check, one GPU's part of an update runs here, on a CPU if there is no GPU: the peak that
    is planned for this machine is printed beside the one measured. Exit status 1 if they are more
    than 10 % apart.

    With --engine numpy, the memory of an update of the NumPy engine on --workers threads, from a
    small step that is run and measured here.

    Examples:
      npformer plan --preset big --gpus 8 --gpu h100 --precision bf16
      npformer plan --preset base --gpu rtx4090 --batch-tokens 6250 --accumulate 4 --price 0.4
      npformer plan --preset big --gpu l4 --checkpoint-activations --json plan.json
      npformer plan --preset small --check
      npformer plan --preset base --engine numpy --batch-tokens 1024 --length 64
    """

    preset: str = DEFAULT_PRESET
    """Model and settings: `tiny`, `small`, `base`, `big`, `nano`, `mini`, `wmt14-base` or
    `wmt14-big`."""
    gpu: str = "h100"
    """Kind of GPU, such as h100, h200, a100-80, l40s, rtx4090 or v100-16."""
    gpus: int = 1
    """How many of them share each batch."""
    mfu: float = MFU
    """Share of its peak that a GPU is assumed to reach in matrix products."""
    length: int = 0
    """Tokens of each sentence, a side; 0 takes 32, or the longest that fits."""
    price: float | None = None
    """What one GPU costs in an hour; the plan then says what the run costs."""
    json: Path | None = None
    """Also write every figure to this file; - is standard output."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but warnings and errors."""
    check: tyro.conf.FlagCreatePairsOff[bool] = False
    """Run two updates of one GPU's part here, and compare the planned peak with the measured."""
    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    train: Annotated[TrainConfig, tyro.conf.arg(name="")] = field(default_factory=TrainConfig)
    twin: Annotated[TwinConfig, tyro.conf.arg(name="")] = field(default_factory=TwinConfig)
    adapters: Annotated[AdapterConfig, tyro.conf.arg(name="")] = field(
        default_factory=AdapterConfig
    )
    family: Annotated[str, tyro.conf.arg(name="model")] = DEFAULT_FAMILY
    """Family of models, by the name of its file in npformer/models; --model.* are its settings."""
    model: ModelConfig = field(default_factory=lambda: named_config(()).model)
    optim: OptimConfig = field(default_factory=OptimConfig)

    @classmethod
    def default(cls, arguments: Sequence[str]) -> Command:
        """What the options change: the named preset."""
        config = named_config(arguments)
        train = dataclasses.replace(config.train, engine="torch")
        return cls(**as_options(dataclasses.replace(config, train=train)))

    def __call__(self) -> int:
        config = as_config(self)
        config = dataclasses.replace(
            config, model=dataclasses.replace(config.model, vocab_size=config.data.vocab_size)
        )
        length = self.length or min(LENGTH, longest_length(config))
        if config.train.engine == "numpy":
            return self._numpy(config, length)
        gpu = named_gpu(self.gpu)
        plan = make_plan(config, gpu, self.gpus, Assumptions(self.mfu, length, self.price))
        console = reporter(self.json, self.quiet)
        console.print(plan_table(self.preset, plan), highlight=False)
        figures = plan.as_dict()
        status = 0
        if self.check:
            planned, measured, where = check(plan)
            console.print(check_line(planned, measured, where), highlight=False, markup=False)
            figures["check"] = {"device": where, "planned": planned, "measured": measured}
            status = int(abs(planned / measured - 1) > TOLERANCE)
        write_figures(self.json, "plan", figures)
        return status

    def _numpy(self, config: RunConfig, length: int) -> int:
        check_twin_options(self)
        for name in ("gpu", "gpus", "mfu", "price"):
            if getattr(self, name) != getattr(type(self), name):
                raise UsageError(f"--{name} is for the PyTorch twin; add --engine torch")
        console = reporter(self.json, self.quiet)
        plan = plan_numpy(config, length, check=self.check)
        console.print(numpy_table(self.preset, plan), highlight=False)
        write_figures(self.json, "plan", plan.as_dict())
        return int(abs(plan.memory.total / (plan.measured or plan.memory.total) - 1) > TOLERANCE)


def check(plan: Plan) -> tuple[int, int, str]:
    """The peak planned for a GPU's part of an update on this machine, that measured, and where.

    Raises NpformerError if it is far more than the memory that is free here.
    """
    import torch

    from torch_ref.train.device import free_memory
    from torch_ref.train.measured_memory import measure_update

    cuda = plan.config.twin.device != "cpu" and torch.cuda.is_available()
    device: DeviceKind = "cuda" if cuda else "cpu"
    where = torch.cuda.get_device_name() if cuda else "CPU"
    config: RunConfig = plan.config
    check_fits(config, free_memory(device), device=device, shape=plan.shape)
    planned = planned_memory(config, plan.shape, device).total
    return planned, measure_update(config, plan.shape), where
