"""What a run begins with where it begins with a model that was trained before: ``train --from``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from npformer.config import ModelConfig
from npformer.ops.array import Array
from npformer.text.tokenizer import Tokenizer

NOTES = ("pretrained", "begun_from")
"""What a run's checkpoints say of its beginning: what it was published as, and where it was."""


class Beginning(NamedTuple):
    """A trained model without adapters."""

    config: ModelConfig
    weights: Mapping[str, Array]
    """By parameter path, in the precision of the run."""
    tokenizer: Tokenizer
    notes: Mapping[str, Any]
    """Of ``NOTES``."""
