"""Qwen 2 and 2.5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from npformer.pretrained.gguf.architectures.llama import Llama
from npformer.pretrained.gguf.file import GgufFile


class Qwen2(Llama):
    """Queries, keys and values have biases; rows are in the family's own order."""

    name: ClassVar[str] = "qwen2"
    model_type: ClassVar[str] = "qwen2"
    in_config: ClassVar[tuple[str, ...]] = ()
    stored: ClassVar[Mapping[str, Any]] = {}

    def biases(self, config: dict[str, Any], file: GgufFile) -> None:
        """The family says them."""
