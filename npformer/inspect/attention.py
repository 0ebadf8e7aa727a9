"""What every head of a model looks at, read from the caches of one forward pass.

The backward of attention needs the probabilities, so the forward keeps them in its cache. Whatever
op keeps ``probs`` is watched at the seam; the maps are the numbers that the model used.

Chapter     walkthroughs/13_looking_inside.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from npformer import seam
from npformer.models.model import Model
from npformer.nn.module import Module
from npformer.ops.array import Array


def attention_maps(
    model: Model, source_ids: Sequence[int], target_ids: Sequence[int]
) -> dict[str, Array]:
    """One sentence's attention: module path -> probabilities (N, T, S), each row's sum 1.

    ``source_ids`` is what the encoder reads (the tokens and EOS), if the model has one;
    ``target_ids`` is what the decoder reads (BOS and the tokens), so row t of a decoder map belongs
    to the position that reads target token t and predicts token t + 1. Paths are
    ``encoder.layers.0.self_attn``, ``decoder.layers.0.self_attn``,
    ``decoder.layers.0.cross_attn`` and so on, in the order of the forward. Raises as the
    model's ``forward``.
    """
    ids = {"source": source_ids, "target": target_ids}
    return maps_of(model, {name: np.array([ids[name]], np.int64) for name in model.streams})


def maps_of(model: Model, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The same of a model's ``inputs``, a batch of one: ids, or a sound's frames."""
    watcher = _Watcher(model)
    with seam.watching(watcher):
        run = model.forward if model.decodes else model.encode  # which needs no head
        run(**inputs)
    return watcher.maps


class _Watcher:
    """Gathers the ``probs`` that ops keep, by the path of the module that calls them."""

    def __init__(self, model: Module) -> None:
        self.maps: dict[str, Array] = {}
        self._paths = {id(module): path for path, module in model.named_modules()}
        self._path = ""

    def __call__(self, call: seam.Call, run: Any, *args: Any, **kwargs: Any) -> Any:
        above, self._path = self._path, self._paths.get(id(call.owner), self._path)
        result = run(*args, **kwargs)
        if call.owner is None and call.name.endswith("_forward"):
            _, cache = result
            if hasattr(cache, "probs"):
                self.maps[self._path] = cache.probs[0]
        self._path = above
        return result
