"""RoBERTa (Liu et al., 2019, arXiv:1907.11692): BERT whose positions begin after padding's id."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained.families.bert import Bert
from npformer.pretrained.fields import Fields
from npformer.pretrained.tensors import Entry, later_rows


class Roberta(Bert):
    """The rows of positions up to padding's id are never read."""

    model_types: ClassVar[tuple[str, ...]] = ("roberta", "xlm-roberta", "camembert")
    prefixes: ClassVar[tuple[str, ...]] = ("roberta.",)
    head: ClassVar[dict[str, str]] = {
        "head_dense": "lm_head.dense",
        "head_norm": "lm_head.layer_norm",
    }
    output: ClassVar[str] = "lm_head"

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        padding = fields.given("pad_token_id", 1)
        found = super().settings(fields)
        return found | {"padding_id": padding, "max_length": found["max_length"] - padding - 1}

    def table_of_positions(self, config: Any) -> Entry:
        """A row for each position, the first of them that after padding's id."""
        theirs = "embeddings.position_embeddings.weight"
        return later_rows("positions.weight", theirs, config.padding_id + 1)
