"""What one layer keeps from one decoding step to the next."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from torch_ref.nn.delta_state import DeltaState
from torch_ref.nn.key_value_cache import KeysValues, KeyValueCache
from torch_ref.nn.sentence_grid import SentenceGrid


@dataclass
class KeptMemory:
    """The memory's keys and values, those of a sentence whatever the number of its hypotheses."""

    keys_values: KeysValues
    grid: SentenceGrid
    """Which rows share a sentence."""


@dataclass
class LayerState:
    """Self-attention's keys and values, or a state in their place, those of a row; and
    cross-attention's, if there are any."""

    self_attn: KeyValueCache | DeltaState
    memory: KeptMemory | None = None

    def select(self, rows: Tensor) -> None:
        """Keep ``rows``, in that order; a row may come more than once."""
        self.self_attn.select(rows)

    def rewind(self, length: int) -> None:
        """Forget every position but the first ``length``."""
        self.self_attn.rewind(length)

    def select_sentences(self, sentences: Tensor) -> None:
        """Keep the memory of ``sentences`` alone, in that order."""
        if self.memory is not None:
            k, v = self.memory.keys_values
            kept = KeysValues(k.index_select(0, sentences), v.index_select(0, sentences))
            self.memory.keys_values = kept
