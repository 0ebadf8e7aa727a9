"""The run's numbers over time, one JSON object a line, so that any tool can read them.

A training line:    update, time, tokens, loss, learning_rate, grad_norm, tokens_per_s, waited,
                    memory and, where the device's speed is known, mfu
A validation line:  update, validation_loss, perplexity and, if translated, bleu, chrf;
                    of judged answers validation_loss, accuracy and margin

``time`` is in seconds since the run's start; ``tokens`` counts target tokens since then; losses
are in nats a token, the training loss with its label smoothing, and of judged answers those of a
pair or an answer; ``accuracy`` is the share that the model judges as somebody did, ``margin`` by
how much, in rewards. ``grad_norm`` is taken before clipping. ``waited`` is the share of the
update's time that went by waiting for data, ``memory`` the most bytes used so far, ``mfu`` the
model FLOP utilisation: the products that the valid tokens need, as a share of what the device can
do. Scores are in percent. A validation line with ``averaged`` is about the mean of that many
checkpoints.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from npformer.errors import CheckpointError
from npformer.files.atomic import write_file


class Metrics:
    """Appends lines to the file at ``path`` after cutting it back to ``update``.

    Lines of later updates, of averages, and one that a crash cut short are dropped: a resumed
    run writes them again. Raises ``CheckpointError`` if the file cannot be written. With ``write``
    False, for all ranks but the first, it writes nothing.
    """

    def __init__(self, path: Path, update: int = 0, *, write: bool = True) -> None:
        self.path = path
        self._file: TextIO | None = None
        self._validated: set[int] = set()
        if not write:
            return
        kept = [x for x in read_metrics(path) if x["update"] <= update and "averaged" not in x]
        self._validated = {x["update"] for x in kept if "validation_loss" in x}
        try:
            write_file(path, b"".join(_line(x).encode() for x in kept))
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise self._unwritable(error) from error

    def write(self, **values: Any) -> None:
        """Append one line; numbers that JSON does not have (NaN, infinity) become null.

        Raises CheckpointError, with the reason, if the file cannot be written.
        """
        if not self._file:
            return
        try:
            self._file.write(_line(values))
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from error
        if "validation_loss" in values and "averaged" not in values:
            self._validated.add(values["update"])

    def has_validation(self, update: int) -> bool:
        """Whether the file already tells the validation loss after ``update``."""
        return update in self._validated

    def __enter__(self) -> Metrics:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file:
            self._file.close()

    def _unwritable(self, error: OSError) -> CheckpointError:
        return CheckpointError(f"cannot write {self.path}: {error.strerror or error}")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Every whole line of the file, in order; none if there is no file."""
    lines = []
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    for line in text.splitlines():
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict) and isinstance(values.get("update"), int):
            lines.append(values)
    return lines


def _line(values: dict[str, Any]) -> str:
    finite = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }
    return json.dumps(finite, allow_nan=False) + "\n"
