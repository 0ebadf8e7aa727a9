"""Which layers look through a window, as published configs say it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from npformer.errors import ConfigError
from npformer.pretrained.fields import Fields
from npformer.pretrained.rotation import GLOBAL, LOCAL

LETTERS = {LOCAL: "L", GLOBAL: "G"}


def windows(
    fields: Fields, layers: int, window: int | None, local: Callable[[int], bool]
) -> dict[str, Any]:
    """The settings ``window`` and ``window_pattern``.

    ``layer_types`` says which layers are local; without it ``local`` does, for a layer counted from
    0. Raises ConfigError for another number of layers, and for a kind that npformer has not.
    """
    kinds = fields.take("layer_types", None)
    if kinds is None:
        kinds = [LOCAL if local(layer) else GLOBAL for layer in range(layers)]
    if not isinstance(kinds, list) or len(kinds) != layers:
        raise ConfigError(f"layer_types is {str(kinds)[:60]!r}; it must name {layers} layers")
    for kind in kinds:
        if not isinstance(kind, str) or kind not in LETTERS:
            raise ConfigError(
                f"layer_types has {kind!r}; npformer has {' and '.join(map(repr, LETTERS))}"
            )
    pattern = "".join(LETTERS[kind] for kind in kinds)
    if "L" not in pattern:
        return {}
    if window is None:
        raise ConfigError("layer_types has local layers, and sliding_window is not given")
    return {"window": window, "window_pattern": pattern}
