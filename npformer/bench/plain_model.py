"""What a baseline has of the Transformer's settings; others it would leave out in silence."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from npformer.errors import ConfigError
from npformer.models.transformer import TransformerConfig

CARRIED = {
    "family",
    "vocab_size",
    "d_model",
    "max_length",
    "heads",
    "d_ff",
    "encoder_layers",
    "decoder_layers",
    "padding_id",
    "dropout",
    "init_std",
}
"""Settings that every baseline takes over, or that say nothing of the architecture."""


def check_plain(config: TransformerConfig, who: str, has: Mapping[str, bool]) -> None:
    """Raise ConfigError for the first setting that a baseline cannot have.

    ``has`` says it of some settings; the others, but for ``CARRIED``, must be the family's own.
    """
    defaults = {f.name: f.default for f in dataclasses.fields(config)}
    for name, default in defaults.items():
        value = getattr(config, name)
        if not has.get(name, name in CARRIED or value == default):
            raise ConfigError(f"{who} cannot have {name} = {value!r}")
