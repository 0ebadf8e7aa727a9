"""What a run shows while it goes: a live bar in a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

PLAIN_SECONDS = 10.0
"""Time between plain lines, for a log file that someone will read."""
WORTH_SAYING = 0.01
"""Share of the time waited for data from which on the line says so."""


class Display:
    """Shows updates, loss, gradient norm, rate, tokens a second, memory, time left; and notes."""

    def __init__(self, updates: int, done: int = 0, console: Console | None = None) -> None:
        self._console = console or Console()
        self._updates, self._start = updates, done
        self._began = time.monotonic()
        self._shown_at = -PLAIN_SECONDS
        self._speed = 0.0
        self._bar: Progress | None = None
        if self._console.is_terminal:
            self._bar = Progress(
                SpinnerColumn(),
                MofNCompleteColumn(),
                BarColumn(bar_width=None),
                TextColumn("{task.description}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._task = self._bar.add_task("", total=updates, completed=done)

    def __enter__(self) -> Display:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def step(self, line: dict[str, Any]) -> None:
        """One update was made; ``line`` is what the metrics say of it."""
        update = line["update"]
        # The speed shown is a running mean, as batches differ in size.
        self._speed += (0.1 if self._speed else 1.0) * (line["tokens_per_s"] - self._speed)
        parts = [
            f"loss {line['loss']:.3f}",
            f"norm {line['grad_norm']:.2g}",
            f"rate {line['learning_rate']:.2e}",
            f"{self._speed:,.0f} tokens/s",
            *([f"MFU {line['mfu']:.0%}"] if "mfu" in line else []),
            f"{line['memory'] / 2**30:.1f} GiB",
            *([f"waited {line['waited']:.0%}"] if line["waited"] >= WORTH_SAYING else []),
        ]
        text = "  ".join(parts)
        if self._bar:
            self._bar.update(self._task, completed=update, description=text)
            return
        now = time.monotonic()
        if now - self._shown_at >= PLAIN_SECONDS or update == self._updates:
            self._shown_at = now
            left = (now - self._began) / (update - self._start) * (self._updates - update)
            self._print(f"update {update}/{self._updates}  {text}  {_clock(left)} left")

    def validation(self, update: int, results: dict[str, Any], what: str = "validation") -> None:
        """The validation pairs were measured."""
        parts = [
            f"loss {results['validation_loss']:.3f}",
            *(label.format(results[key]) for key, label in _SCORES.items() if key in results),
        ]
        self._print(f"update {update}  {what}: {'  '.join(parts)}")

    def note(self, text: str) -> None:
        """Something that a person should know."""
        self._print(text)

    def _print(self, text: str) -> None:
        self._console.print(escape(text), highlight=False, soft_wrap=True)


_SCORES = {
    "perplexity": "perplexity {:.2f}",
    "accuracy": "accuracy {:.1%}",
    "margin": "margin {:.3f}",
    "bleu": "BLEU {:.1f}",
    "chrf": "chrF {:.1f}",
}


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
