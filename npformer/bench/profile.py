"""``--profile``: where the time of a NumPy step goes, beside what each op takes at least."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from npformer.bench.process import BenchProcess
from npformer.bench.settings import BenchConfig
from npformer.bench.shapes import bench_config, workload
from npformer.errors import NpformerError

LEAST = 0.005
"""Share of the time from which a row has a line of its own."""


def measure(preset: str, config: BenchConfig) -> dict[str, Any]:
    """One preset's profile (``profile_runner.profile``).

    Raises ``NpformerError`` if the process that makes it fails.
    """
    process = BenchProcess(
        "npformer.bench.profile_runner", preset, config.to_json(), threads=config.workers
    )
    found = process.ask(steps=config.rounds * config.steps)
    why = process.close()
    if found is None:
        raise NpformerError(f"the step of {preset} cannot be measured: {why}")
    shape = workload(preset)
    model = bench_config(preset, config.model, workers=config.workers, dropout=config.dropout).model
    return {
        "batch": f"{shape.rows} x {shape.length}",
        "vocab_size": model.vocab_size,
        "dropout": model.dropout,
        **found,
    }


def table(preset: str, result: dict[str, Any]) -> RenderableType:
    """The longest times first, by worker, with their bound: the larger of bytes and FLOPs."""
    rows = sorted(result["rows"], key=lambda row: -sum(row["seconds"]))
    large = [row for row in rows if sum(row["seconds"]) >= LEAST * result["watched"]]
    small = rows[len(large) :]
    workers = max((len(row["seconds"]) for row in rows), default=0)
    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for heading in ("", "pass"):
        drawn.add_column(heading, no_wrap=True)
    headings = [f"ms {number}" for number in range(1, workers + 1)]
    for heading in ("calls", *headings, "share", "bound ms", "by", "/ bound"):
        drawn.add_column(heading, justify="right")
    for row in large:
        _add(drawn, row["name"], row["kind"], row, result)
    if small:
        together = {
            key: [sum(numbers) for numbers in zip(*(row[key] for row in small), strict=True)]
            for key in ("calls", "seconds")
        }
        _add(drawn, f"{len(small)} others", "", {**together, "bytes": 0, "flops": 0}, result)
    drawn.add_row(
        "outside any call", "", "", *[""] * workers, f"{result['rest'] / result['watched']:.1%}"
    )
    title = (
        f"{preset}: {result['batch']} tokens, vocabulary {result['vocab_size']:,}, dropout "
        f"{result['dropout']}: a step of {result['step'] * 1e3:.1f} ms by the clock and "
        f"{result['busy'] * 1e3:.1f} ms of processor time"
    )
    return Group(Text(title), drawn, Text(_note(result)))


def _add(drawn: Table, name: str, kind: str, row: dict[str, Any], result: dict[str, Any]) -> None:
    seconds = sum(row["seconds"])
    bounds = {
        "bytes": row["bytes"] / result["rates"]["bandwidth"],
        "flops": row["flops"] / result["rates"]["products"],
    }
    by, bound = max(bounds.items(), key=lambda item: item[1])
    drawn.add_row(
        name,
        kind,
        f"{sum(row['calls']):.0f}",
        *(f"{each * 1e3:.2f}" for each in row["seconds"]),
        f"{seconds / result['watched']:.1%}",
        *((f"{bound * 1e3:.2f}", by, f"{seconds / bound:.2f}") if bound else ("-", "", "-")),
    )


def _note(result: dict[str, Any]) -> str:
    rates = result["rates"]
    return (
        "ms 1, ms 2 ...: processor time of each worker's thread; a step that is watched took "
        f"{result['watched'] / result['busy']:.2f} times as long, and most of what it took more is "
        "in the lines of modules (capitals). A "
        f"thread copies {rates['bandwidth'] / 1e9:.1f} GB/s and multiplies at "
        f"{rates['products'] / 1e9:.0f} GFLOP/s while the others do: what stays in a cache is "
        "faster than its bytes allow"
    )
