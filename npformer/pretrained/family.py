"""What a family of published models says of itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from npformer.errors import CheckpointError
from npformer.ops.array import Array
from npformer.pretrained.fields import Fields
from npformer.pretrained.library import DECODER, Library
from npformer.pretrained.quirks import Quirk
from npformer.pretrained.tensors import Entry
from npformer.text.tokenizer import Tokenizer


class Family:
    """One file in ``families`` each; all of it is data, and two tables that depend on the config.

    Names of tensors are without their prefix, which files have or have not: that of the class that
    was saved.
    """

    model_types: ClassVar[tuple[str, ...]]
    """The values of a config's ``model_type`` that mean this family."""
    model: ClassVar[str] = "gpt"
    """The family of ``npformer.models`` that it becomes."""
    prefixes: ClassVar[tuple[str, ...]] = ("model.",)
    """What names of tensors may begin with, the longer first; the last is that of an export."""
    bare: ClassVar[tuple[str, ...]] = ("lm_head.weight",)
    """Tensors that have no prefix in an export."""
    renamed: ClassVar[Mapping[str, str]] = {}
    """Patterns of older names, and what stands for them today."""
    ignored_fields: ClassVar[Mapping[str, str]] = {}
    """Fields beside ``fields.IGNORED`` that are passed over, each with the reason."""
    ignored_tensors: ClassVar[Mapping[str, str]] = {}
    """Patterns of names that are passed over, each with the reason."""
    languages: ClassVar[str] = ""
    """A pattern of the tokens that tell the model a language, a group of which is its name."""
    language_first: ClassVar[bool] = False
    """Whether what is written begins with its language; otherwise a source does, if it is told."""
    quirks: ClassVar[Mapping[str, Quirk]] = {}
    """What a naive loader gets wrong, by name."""

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        raise NotImplementedError

    def beside(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        """Further settings, which other small files of the source say.

        Raises ConfigError for what npformer has not.
        """
        return {}

    def entries(self, config: Any) -> list[Entry]:
        """The table of parameters and tensors, for a model's config."""
        raise NotImplementedError

    def tied(self, config: Any) -> dict[str, str]:
        """Tensors that may be absent, each with the one that it is the same as."""
        return {}

    def library(self, config: Any) -> Library:
        """How the transformers library is asked for the same, for a model's config."""
        return DECODER

    def read(self, given: str, tokenizer: Tokenizer, config: Any) -> Array:
        """What somebody gives on a command line as the source -> that of one text, (1, S) ids.

        ``config`` is the model's. Raises TokenizerError for what has no ids.
        """
        return np.array([tokenizer.source(tokenizer.encode(given))], np.int64)

    def own_names(self, names: Sequence[str]) -> dict[str, str]:
        """Names in a file by the family's own. Raises CheckpointError where two are the same."""
        found: dict[str, str] = {}
        for name in names:
            own = self._own_name(name)
            if own in found:
                raise CheckpointError(f"{found[own]!r} and {name!r} of the weights are one")
            found[own] = name
        return found

    def _own_name(self, name: str) -> str:
        for prefix in self.prefixes:
            if name.startswith(prefix):
                name = name[len(prefix) :]
                break
        for pattern, today in self.renamed.items():
            name = re.sub(pattern, today, name)
        return name

    def exported(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The published config as it stands beside an export of the model alone.

        Its weights are whole, however few bits those that were published had.
        """
        return {name: value for name, value in config.items() if name != "quantization_config"}

    def file_name(self, own: str) -> str:
        """The name in an export of a tensor that the family calls ``own``."""
        return own if own in self.bare else f"{self.prefixes[-1]}{own}"
