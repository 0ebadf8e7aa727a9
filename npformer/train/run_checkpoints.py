"""The checkpoints of a run while it trains: saved, pruned, and averaged in the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from npformer.config import RunConfig
from npformer.errors import CheckpointError
from npformer.files.atomic import remove_directory
from npformer.ops.array import Array
from npformer.train.checkpoint import Position, check_whole, save_arrays, save_checkpoint
from npformer.train.engine import Engine
from npformer.train.ranks import Ranks
from npformer.train.run_directory import averaged_path, checkpoint_path, checkpoints, prune


class RunCheckpoints:
    """Those in a run's directory. What saves is called by every rank, and raises on every rank.

    ``tokenizer`` is the content of tokenizer.json, ``notes`` what the ``state.json`` of each says.
    Saving raises ``CheckpointError`` if it cannot.
    """

    def __init__(
        self,
        config: RunConfig,
        directory: Path,
        engine: Engine,
        tokenizer: bytes,
        ranks: Ranks,
        notes: Mapping[str, Any],
    ) -> None:
        self._config, self._directory, self._engine = config, directory, engine
        self._tokenizer, self._ranks, self._notes = tokenizer, ranks, notes
        self._first = ranks.rank == 0

    def save(self, position: Position, **scored: Any) -> None:
        """Save the engine's state, and delete checkpoints that are no longer needed.

        ``scored`` is what it did on the validation pairs, if they were measured.
        """
        path, train = checkpoint_path(self._directory, position.update), self._config.train
        self._write(path, self._engine.save, position, scored)
        if self._first:
            prune(self._directory, position.update, keep=train.keep, every=train.checkpoint_every)
        self._ranks.barrier()

    def save_average(self, weights: Mapping[str, Array], position: Position, **notes: Any) -> Path:
        """Save a mean of checkpoints; ``notes`` go into its ``state.json``."""

        def write(directory: Path) -> None:
            if self._first:
                save_arrays(directory, weights)

        path = averaged_path(self._directory)
        self._write(path, write, position, notes)
        return path

    def remove_average(self) -> None:
        """Delete the average that a shorter run left."""
        if self._first:
            remove_directory(averaged_path(self._directory))

    def whole(self, update: int) -> tuple[list[Path], list[CheckpointError]]:
        """The whole checkpoints up to ``update``, oldest first; and what is wrong with the rest."""
        paths, damage = [], []
        for saved, path in checkpoints(self._directory).items():
            if saved <= update:
                try:
                    check_whole(path)
                    paths.append(path)
                except CheckpointError as error:
                    damage.append(error)
        return paths, damage

    def _write(
        self, path: Path, write: Callable[[Path], None], position: Position, more: dict[str, Any]
    ) -> None:
        notes = {**self._notes, **more}
        save_checkpoint(
            path, self._config, write, self._tokenizer, position, ranks=self._ranks, **notes
        )
