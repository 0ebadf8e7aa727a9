"""The calls of a recording as a tree in the order of the forward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from npformer.inspect.recording import RecordedCall


def call_tree(calls: Sequence[RecordedCall]) -> list[dict[str, Any]]:
    """Calls in the order of the forward -> items with ``name``, ``calls`` (one number, or none)
    and ``children``.

    The loss is beside the model, and every other call below the one that made it: a sub-layer
    below its residual. A name is the path from the nearest call above that owns the module.
    """
    top: list[dict[str, Any]] = []
    items: dict[int | None, dict[str, Any]] = {}
    around: dict[int | None, list[str]] = {None: []}  # paths of a call and of those above it
    for number, call in enumerate(calls):
        name = call.path or call.kind.lower()
        for path in around[call.caller]:
            if call.path.startswith(f"{path}."):
                name = call.path.removeprefix(f"{path}.")
        item = {"name": name, "call": number, "children": []}
        items[call.forward_order] = item
        around[call.forward_order] = [*around[call.caller], call.path]
        (top if call.caller is None else items[call.caller]["children"]).append(item)
    return top
