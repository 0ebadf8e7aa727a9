"""A run's metrics as TensorBoard's event files (package ``tensorboard``, extra ``tensorboard``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch.utils.tensorboard as boards

FOLDERS = {
    "loss": "train/loss",
    "grad_norm": "train/grad_norm",
    "learning_rate": "train/learning_rate",
    "tokens_per_s": "speed/tokens_per_s",
    "mfu": "speed/mfu",
    "waited": "speed/waited",
    "memory": "speed/memory",
    "validation_loss": "validation/loss",
    "perplexity": "validation/perplexity",
    "bleu": "validation/bleu",
    "chrf": "validation/chrf",
}
"""Where each of the metrics appears; the others are not drawn."""


class TensorBoard:
    """A listener of the training loop that writes into ``RUN/tensorboard``.

    A resumed run adds a file; the steps that it makes again replace the older ones, as each line's
    update is its step. ``tensorboard --logdir RUN`` shows them.
    """

    def __init__(self, run: Path) -> None:
        self._writer = boards.SummaryWriter(str(run / "tensorboard"))

    def __call__(self, line: dict[str, Any]) -> None:
        """Write one line of the metrics; the mean of the checkpoints has a folder of its own."""
        for name, value in line.items():
            if name in FOLDERS and isinstance(value, int | float):
                tag = FOLDERS[name]
                if "averaged" in line:
                    tag = tag.replace("validation/", "averaged/")
                self._writer.add_scalar(tag, value, line["update"])
        self._writer.flush()

    def close(self) -> None:
        """Write what is not written yet."""
        self._writer.close()
