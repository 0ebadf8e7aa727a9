"""Padded batches, and dropout masks that they have in common with the same batches packed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from npformer.nn.token_grid import TokenGrid


def padded_ids(
    rows: int, source: int, target: int, vocab_size: int, seed: int, *, left: bool = False
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Ids of sources and targets, and what follows each; any padding, within a target too."""
    rng = np.random.default_rng(seed)

    def side(length: int) -> np.ndarray:
        sizes = rng.integers(0, length + 1, (rows, 1))
        return rng.integers(1, vocab_size, (rows, length)) * (np.arange(length) < sizes)

    read, written = side(source), side(target)
    targets = written * (rng.random(written.shape) < 0.8)  # some have no loss
    written[:, 0] = 0  # as T5 and Marian begin
    if left:
        read = read[:, ::-1].copy()
    return {"source": read, "target": written}, targets


class PaddedMasks:
    """In place of a generator: what one draws for a padded batch, and of it, with ``grids``, what
    falls on the tokens.

    The source's masks are drawn first: that of the embeddings, and two a layer of the encoder.
    """

    def __init__(
        self, seed: int, encoder_layers: int, grids: Mapping[str, TokenGrid] | None
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._of_source = 1 + 2 * encoder_layers
        self._grids = grids

    def random(self, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        """As ``np.random.Generator.random``."""
        self._of_source -= 1
        if self._grids is None:
            return self._rng.random(tuple(shape), dtype=dtype)
        grid = self._grids["of" if self._of_source >= 0 else "to"]
        drawn = grid.collect(self._rng.random((*grid.shape, shape[-1]), dtype=dtype))
        assert drawn.shape == tuple(shape)
        return drawn
