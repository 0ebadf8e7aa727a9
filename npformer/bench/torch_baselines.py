"""``--engine torch``: the twin and others' models of the same function, by turns, side by side."""

from __future__ import annotations

import importlib.util
import statistics
from typing import Any, NamedTuple

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from npformer.bench.process import Answer, BenchProcess, take_turns
from npformer.bench.settings import BenchConfig
from npformer.errors import install
from npformer.models import family

IMPLEMENTATIONS = {"twin": "twin", "nn": "PyTorch", "marian": "Marian", "llama": "Llama"}
"""The twin and its baselines, and what a table calls them."""
OF_TRANSFORMERS = {"marian": "MarianMTModel", "llama": "LlamaForCausalLM"}
LEFT_OUT = f"is left out: transformers is not installed; {install('marian')}"


class Decoding(NamedTuple):
    """One way to decode: a beam, sentences at a time, and how often in one turn."""

    beam: int
    rows: int
    repeats: int

    @property
    def name(self) -> str:
        """The key of its figure, in sentences a second."""
        return f"{'greedy' if self.beam == 1 else f'beam{self.beam}'}_{self.rows}"


DECODINGS = (Decoding(1, 1, 4), Decoding(1, 64, 1), Decoding(4, 1, 4), Decoding(4, 64, 1))


class Measure(NamedTuple):
    """A line of the table."""

    key: str
    heading: str
    factor: float = 1.0
    digits: int = 1
    more_is_better: bool = True


MEASURES = (
    Measure("tokens_per_s", "training: tokens/s", digits=0),
    Measure("mfu", "model FLOP utilisation: %", 100),
    Measure("peak_memory", "peak memory: MiB", 2**-20, 0, more_is_better=False),
    *(
        Measure(
            way.name,
            f"{'greedy' if way.beam == 1 else f'beam {way.beam}'}, batch {way.rows}: sentences/s",
        )
        for way in DECODINGS
    ),
)


def measure(preset: str, config: BenchConfig) -> dict[str, Any]:
    """One preset's figures; ``left_out`` says who is missing, and why."""
    settings = config.to_json()
    here = importlib.util.find_spec("transformers") is not None
    absent = {} if here else OF_TRANSFORMERS
    names = [name for name in ("twin", *config.baselines) if name not in absent]
    running = {
        name: BenchProcess(
            "npformer.bench.torch_runner", name, preset, settings, threads=config.workers
        )
        for name in names
    }
    facts, failures = take_turns(running, 1, what="describe")
    trained, failed = take_turns(running, config.rounds, what="train", count=config.steps)
    failures |= failed
    # One measure for all: a peak that a CPU showed in one process, it has in the others too.
    peak = max((facts[name][0]["peak_flops"] for name in running), default=0.0)
    rows: dict[str, Any] = {
        name: _training({**facts[name][0], "peak_flops": peak}, trained[name]) for name in running
    }
    translates = "source" in family(config.model).streams
    for way in DECODINGS if translates else ():
        request: dict[str, Any] = {**way._asdict(), "tokens": config.decode_tokens}
        decoded, failed = take_turns(running, config.rounds, what="decode", **request)
        failures |= failed
        for name in running:
            rows[name][way.name] = 1 / statistics.median(_times(decoded[name]))
    for process in running.values():
        process.close()
    rows |= {name: {**rows.get(name, {}), "failed": why} for name, why in failures.items()}
    model = config.run(preset).model
    return {
        "vocab_size": model.vocab_size,
        "dropout": model.dropout,
        "precision": config.precision,
        "compile": config.compile,
        "decode_tokens": config.decode_tokens,
        "implementations": {name: rows[name] for name in names},
        "left_out": [f"{absent[n]} {LEFT_OUT}" for n in config.baselines if n in absent],
    }


def _training(facts: Answer, answers: list[Answer]) -> dict[str, Any]:
    step = statistics.median(_times(answers))
    peak = facts["peak_flops"]
    return {
        **facts,
        "step": step,
        "tokens_per_s": facts["tokens"] / step,
        "mfu": facts["flops"] / step / peak if peak else None,
        "peak_memory": answers[-1]["peak_memory"],
    }


def _times(answers: list[Answer]) -> list[float]:
    return [time for answer in answers for time in answer["times"]]


def table(preset: str, result: dict[str, Any]) -> RenderableType:
    """A preset's figures, and how many times better the twin does than each of the others."""
    rows = result["implementations"]
    twin = rows["twin"]
    others = [name for name in rows if name != "twin"]
    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    drawn.add_column("", no_wrap=True)
    for name in rows:
        drawn.add_column(IMPLEMENTATIONS[name], justify="right")
    for name in others:
        drawn.add_column(f"/ {IMPLEMENTATIONS[name]}", justify="right")
    for line in MEASURES:
        figures = [row.get(line.key) for row in rows.values()]
        if figures.count(None) == len(figures):
            continue
        drawn.add_row(
            line.heading,
            *("-" if x is None else f"{x * line.factor:,.{line.digits}f}" for x in figures),
            *(_ratio(twin.get(line.key), rows[name].get(line.key), line) for name in others),
        )
    title = f"{preset}: {_conditions(result, twin)}"
    return Group(Text(title), drawn, *map(Text, _notes(result)))


def _ratio(twin: float | None, other: float | None, line: Measure) -> str:
    """How many times better the twin is."""
    if not twin or not other:
        return "-"
    return f"{twin / other if line.more_is_better else other / twin:.2f}"


def _conditions(result: dict[str, Any], twin: dict[str, Any]) -> str:
    batch = f"{twin['rows']} x {twin['length']} tokens" if "rows" in twin else "no batch"
    return (
        f"{batch}, vocabulary {result['vocab_size']:,}, dropout {result['dropout']}, "
        f"{result['precision']} precision, {'compiled' if result['compile'] else 'eager'}"
    )


def _notes(result: dict[str, Any]) -> list[str]:
    rows = result["implementations"]
    failed = [
        f"{IMPLEMENTATIONS[n]} failed: {row['failed']}"
        for n, row in rows.items()
        if "failed" in row
    ]
    counts = {row["parameters"] for row in rows.values() if "parameters" in row}
    peak = next((row["peak_flops"] for row in rows.values() if row.get("peak_flops")), 0.0)
    return [
        *([f"model FLOP utilisation is of {peak / 1e12:,.4g} TFLOP/s"] if peak else []),
        f"{' or '.join(f'{n:,}' for n in sorted(counts))} parameters each; decoding writes "
        f"{result['decode_tokens']} tokens a sentence; a ratio over 1: the twin is better",
        *failed,
        *result["left_out"],
    ]
