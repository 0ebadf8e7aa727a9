"""The calls of a recording as a tree in the order of the forward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from npformer.inspect.recording import Call


def call_tree(calls: Sequence[Call]) -> list[dict[str, Any]]:
    """Calls in the order of the forward -> items with ``name``, ``calls`` (one number, or none)
    and ``children``.

    The loss stands beside the model. A call stands below the newest call of the nearest path
    above it, so that what is called twice (an embedding that reads source and target) stands in
    two places.
    """
    top: dict[str, Any] = {"name": "", "call": None, "children": []}
    newest = {"": top}
    for number, call in enumerate(calls):
        above = _above(call.path, newest)
        item = {
            "name": _relative(call.path, above) or "transformer",
            "call": number,
            "children": [],
        }
        beside = call.path in ("", "loss")
        (top if beside else newest[above])["children"].append(item)
        newest[call.path] = item
    return top["children"]


def _above(path: str, known: dict[str, Any]) -> str:
    """The nearest path above ``path`` that has a call."""
    while path:
        path = path.rpartition(".")[0]
        if path in known:
            return path
    return ""


def _relative(path: str, above: str) -> str:
    return path.removeprefix(f"{above}.") if above else path
