"""What a run says while it goes: to its metrics and their picture, the terminal and listeners."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from npformer.config import RunConfig
from npformer.train.curve import draw_curve
from npformer.train.metrics import Metrics
from npformer.train.progress import Display
from npformer.train.run_directory import METRICS, PICTURE

Listener = Callable[[dict[str, Any]], None]
"""Called with every line of the metrics."""


class RunLog:
    """Lines from after ``update`` on; all but the first rank keep to the terminal.

    Raises ``CheckpointError`` if the metrics cannot be written.
    """

    def __init__(
        self,
        config: RunConfig,
        directory: Path,
        update: int,
        *,
        first: bool = True,
        listeners: Sequence[Listener] = (),
        console: Console | None = None,
    ) -> None:
        self._directory, self._first = directory, first
        self._title = f"{directory.name}: {config.train.engine} engine"
        self._listeners = listeners if first else ()
        self._metrics = Metrics(directory / METRICS, update, write=first)
        self._display = Display(config.train.updates, update, console)
        self.note = self._display.note
        self.has_validation = self._metrics.has_validation

    def __enter__(self) -> RunLog:
        self._display.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._metrics.__exit__(*error)
        self._display.__exit__(*error)

    def step(self, line: dict[str, Any]) -> None:
        """An update was made."""
        self._tell(line)
        self._display.step(line)

    def validation(
        self, update: int, results: dict[str, Any], what: str = "validation", **more: Any
    ) -> None:
        """The validation pairs were measured; ``more`` is for the metrics alone."""
        self._tell({"update": update, **more, **results})
        self._display.validation(update, results, what)

    def draw(self) -> None:
        """Draw the metrics so far."""
        if not self._first:
            return
        picture = self._directory / PICTURE
        try:
            draw_curve(self._directory / METRICS, picture, title=self._title)
        except OSError as error:  # a picture is no reason to stop a run
            self.note(f"cannot draw {picture}: {error}")

    def _tell(self, line: dict[str, Any]) -> None:
        self._metrics.write(**line)
        for listener in self._listeners:
            listener(line)
