"""``npformer plan --engine numpy``: the memory of an update of the NumPy engine."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from npformer.cli.plan_table import check_line, rows_table, words
from npformer.config import RunConfig
from npformer.errors import NpformerError, counted
from npformer.plan.guard import gigabytes
from npformer.plan.plan import check_length
from npformer.plan.shape import Shape, full_batch
from npformer.train.memory import free_memory
from npformer.train.step_memory import StepMemory, step_memory
from npformer.train.step_record import measure_update


@dataclass(frozen=True)
class NumpyPlan:
    """A run on the NumPy engine; memory is in bytes, of its arrays."""

    config: RunConfig
    shape: Shape
    """One batch, of all workers."""
    memory: StepMemory
    measured: int | None
    """The peak of such an update here, if it was asked for."""

    def as_dict(self) -> dict[str, Any]:
        """Every figure, ready for JSON."""
        memory = self.memory._asdict()
        figures = {
            "config": dataclasses.asdict(self.config),
            "batch": self.shape._asdict(),
            "parameters": memory.pop("parameters"),
            "memory": memory | {"total": self.memory.total},
        }
        if self.measured is not None:
            check = {"device": "CPU", "planned": self.memory.total, "measured": self.measured}
            figures["check"] = check
        return figures


def plan_numpy(config: RunConfig, length: int, *, check: bool) -> NumpyPlan:
    """Plan updates from full batches of sentences of ``length``, and with ``check`` run two.

    Raises ConfigError for a length that the run does not take, NpformerError for a check that this
    machine has no room for.
    """
    check_length(config, length)
    shape = full_batch(config.data, length)
    memory, free = step_memory(config, shape), free_memory()
    if check and memory.total > free:
        raise NpformerError(
            f"an update needs about {gigabytes(memory.total)}, where {gigabytes(free)} are free; "
            "leave --check out, or give a smaller --batch-tokens"
        )
    return NumpyPlan(config, shape, memory, measure_update(config, shape) if check else None)


def numpy_table(name: str, plan: NumpyPlan) -> RenderableType:
    """The run, and what its memory is for."""
    config, shape, memory = plan.config, plan.shape, plan.memory
    rows, tokens = words(config)
    update = f"{config.train.accumulate} x " if config.train.accumulate > 1 else ""
    title = "\n".join(
        [
            f"{name} on the NumPy engine, {counted(config.train.workers, 'worker')}, in "
            f"{config.train.dtype}",
            f"  model   {config.model.shape}, vocabulary {config.model.vocab_size:,}: "
            f"{memory.parameters / 1e6:,.1f} M parameters",
            f"  update  {update}{config.data.batch_tokens:,} {tokens}; at one time {shape.rows:,} "
            f"{rows} of {shape.target}",
        ]
    )
    table = rows_table("Memory of the arrays at their peak")
    table.add_row("weights", gigabytes(memory.weights), "with tables of positions, if there are")
    table.add_row("optimizer", gigabytes(memory.optimizer), config.optim.name)
    table.add_row("gradients", gigabytes(memory.gradients), "as many as there are at that moment")
    table.add_row("logits", gigabytes(memory.logits), "or their gradient, in their place")
    table.add_row("activations", gigabytes(memory.activations), "kept for the backward")
    table.add_row("working", gigabytes(memory.working), f"for one moment: {memory.moment}")
    table.add_row("total", gigabytes(memory.total), "", style="bold")
    said = [
        f"\nAssumed: every batch is full, of {rows} of {shape.target} {tokens}, without padding.",
        "Python, NumPy and unused room between arrays come on top.",
    ]
    if plan.measured is not None:
        said.append(check_line(memory.total, plan.measured, "CPU", "two updates"))
    return Group(Text(title), table, Text("\n".join(said)))
