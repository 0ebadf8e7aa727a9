"""A plan as a person reads it, 80 columns wide."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from npformer.config import RunConfig
from npformer.errors import counted
from npformer.models import family
from npformer.plan.guard import gigabytes
from npformer.plan.plan import Plan, arithmetic


def plan_table(name: str, plan: Plan) -> RenderableType:
    """Memory, work and time, then what they assume."""
    parts: list[RenderableType] = [Text(_title(name, plan)), _memory(plan), _time(plan)]
    if plan.advice:
        parts.append(_advice(plan))
    return Group(*parts, Text("\n" + "\n".join(_assumptions(plan))))


def _title(name: str, plan: Plan) -> str:
    c, shape, gpus = plan.config, plan.shape, plan.gpus
    on = f"{gpus} x {plan.gpu.title}" + (f" ({c.twin.parallel})" if gpus > 1 else "")
    update = f"{c.train.accumulate} x " if c.train.accumulate > 1 else ""
    rows, tokens = words(c)
    return "\n".join(
        [
            f"{name} on {on}, products in {arithmetic(c, plan.gpu) or c.train.dtype}",
            f"  model   {c.model.shape}, vocabulary {c.model.vocab_size:,}: "
            f"{plan.parameters / 1e6:,.1f} M parameters",
            f"  update  {update}{c.data.batch_tokens:,} {tokens}; at one time on each GPU "
            f"{shape.rows:,} {rows} of {shape.target}",
        ]
    )


def _memory(plan: Plan) -> Table:
    memory, config = plan.memory, plan.config
    table = rows_table("Memory of each GPU at its peak")
    table.add_row("parameters", gigabytes(memory.parameters), "weights, the table of positions")
    table.add_row("optimizer", gigabytes(memory.optimizer), config.optim.name)
    table.add_row("gradients", gigabytes(memory.gradients), "as many as there are at that moment")
    table.add_row("activations", gigabytes(memory.activations), "kept for the backward")
    table.add_row("working", gigabytes(memory.working), f"for one operation: {memory.moment}")
    verdict = "it fits" if plan.fits else "it does not fit"
    note = f"{plan.share:.1%} of {gigabytes(plan.gpu.memory)}: {verdict}"
    table.add_row("total", gigabytes(memory.total), note, style="bold")
    return table


def _time(plan: Plan) -> Table:
    table = rows_table("Arithmetic and time")
    updates = counted(plan.config.train.updates, "update")
    table.add_row("an update", f"{plan.tokens:,}", words(plan.config)[1])
    table.add_row("", scaled(plan.flops), "operations, forward and backward")
    seconds, total, cost = plan.update_seconds, plan.seconds, plan.cost
    if plan.peak_flops is None or seconds is None or total is None:
        table.add_row("", "unknown", "time: no data sheet says what it does in float64")
        return table
    rate = f"at {plan.assumed.mfu:.0%} (assumed) of {scaled(plan.peak_flops)}/s a GPU"
    table.add_row("", duration(seconds), rate)
    table.add_row(updates, duration(total), "training alone, without validation")
    if cost is not None:
        price = f"{plan.gpus * total / 3600:,.1f} GPU hours at {plan.assumed.price:g}"
        table.add_row("cost", f"{cost:,.2f}", price)
    return table


def _advice(plan: Plan) -> Table:
    table = rows_table("What would make it fit", first=41)
    for advice in plan.advice:
        share = f"{advice.total / plan.gpu.memory:.1%}"
        note = f"{share}: " + ("it fits" if advice.fits else "too much")
        table.add_row(advice.options, gigabytes(advice.total), note)
    return table


def rows_table(title: str, first: int = 15) -> Table:
    """What it is, how much, and a note, under a title."""
    table = Table(title=f"\n{title}", box=None, show_header=False, padding=(0, 1))
    table.title_justify, table.title_style = "left", "bold"
    for width, justify in ((first, "left"), (10, "right"), (None, "left")):
        table.add_column(width=width, justify=justify)  # type: ignore[arg-type]
    return table


def _assumptions(plan: Plan) -> list[str]:
    rows, tokens = words(plan.config)
    lines = [
        f"Assumed: every batch is full, of {rows} of {plan.assumed.length} {tokens}, without "
        "padding, and",
        f"{plan.assumed.mfu:.0%} of the GPU's peak; small batches and many GPUs reach less.",
        "Memory is what PyTorch's tensors take; CUDA's context takes about 0.5 GB more.",
        "The GPU's figures are its data sheet's, for dense matrices; GB is 10^9 bytes.",
    ]
    if plan.config.twin.compile:
        lines.append("Planned as without --compile, which keeps no more.")
    return lines


def words(config: RunConfig) -> tuple[str, str]:
    """What a batch has rows of, and what a row's length counts."""
    several = len(family(config.model.family).streams) > 1
    return ("pairs", "tokens a side") if several else ("sequences", "tokens")


def check_line(planned: int, measured: int, where: str, what: str = "one GPU's part") -> str:
    """``Checked on ...: planned, measured, by how much they differ``."""
    return (
        f"Checked on {where}, {what}: planned {gigabytes(planned)}, "
        f"measured {gigabytes(measured)} ({planned / measured - 1:+.1%})"
    )


def duration(seconds: float) -> str:
    """A time for a person, such as ``9.06 ms`` or ``3.2 h``."""
    for size, unit in ((3 * 86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / (86400 if unit == 'days' else size):,.1f} {unit}"
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def scaled(operations: float) -> str:
    """A number of operations for a person, such as ``32.3 TFLOP``."""
    for size, prefix in ((1e15, "P"), (1e12, "T")):
        if operations >= size:
            return f"{operations / size:.3g} {prefix}FLOP"
    return f"{operations / 1e9:.3g} GFLOP"
