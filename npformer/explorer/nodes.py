"""The calls of a recording as nodes of the page: the steps of both passes, and their tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from npformer.explorer.arrays import Arrays, rounded
from npformer.explorer.formulas import explain
from npformer.explorer.tree import call_tree
from npformer.inspect.recording import Call, Recording
from npformer.ops.array import Array

Errors = Mapping[str, tuple[float, float]]
"""Module path -> error of the forward and of the gradient, in rounding units."""

USES = {"embedding": ("source", "target", "output")}
"""What each call of a module that is called several times is for."""


def node_data(
    recording: Recording, parameters: dict[str, Array], arrays: Arrays, errors: Errors | None
) -> dict[str, Any]:
    """``calls`` in the order of the forward, ``docs``, ``tree``, and the steps of both passes."""
    shown = [call for call in recording.calls if not is_idle(call)]
    docs: dict[str, dict[str, Any]] = {}
    calls = []
    for number, call in enumerate(shown):
        document = docs.setdefault(call.kind, explain(call.kind))
        calls.append(
            {
                "path": call.path,
                "use": use(call),
                "kind": call.kind,
                "step": is_step(call, document),
                "order": [call.forward_order, call.backward_order],
                "bytes": call.cache_bytes,
                "tensors": _tensors(call, parameters, recording.gradients, arrays),
                "error": _error(call, errors),
            }
        )
        calls[-1]["id"] = number
    steps = [n for n, node in enumerate(calls) if node["step"]]
    return {
        "calls": calls,
        "docs": docs,
        "forward": steps,
        "backward": sorted(steps, key=lambda n: shown[n].backward_order),
        "tree": call_tree(shown),
    }


def is_idle(call: Call) -> bool:
    """Whether a call only hands its input on: dropout of inference, a residual's entry."""
    same = any(call.output is array for array in call.inputs.values())
    return same and call.kind in ("Dropout", "Residual.enter")


def is_step(call: Call, document: dict[str, Any]) -> bool:
    """Whether the call computes something itself, rather than through the calls below it."""
    return (call.path != "" and "forward" in document) or call.kind == "Residual.leave"


def use(call: Call) -> str:
    """Which of several calls of its path this is, in a word; "" where there is but one."""
    names = USES.get(call.path, ())
    return names[call.call] if call.call < len(names) else call.kind.partition(".")[2]


def token_side(call: Call, name: str) -> str:
    """Whose tokens stand along a tensor's rows: ``source`` or ``target``."""
    if call.path.startswith("encoder") or (call.path, call.call) == ("embedding", 0):
        return "source"
    parent, _, last = call.path.rpartition(".")
    if "cross_attn" in call.path and last in ("k_proj", "v_proj"):
        return "source"
    if "self_attn" not in call.path and name in ("memory", "source", "k", "v"):
        return "source"
    return "target"


def _error(call: Call, errors: Errors | None) -> list[float | None] | None:
    found = (errors or {}).get(call.path)
    return None if found is None else [rounded(error) for error in found]


def _tensors(
    call: Call, parameters: dict[str, Array], gradients: dict[str, Array], arrays: Arrays
) -> list[dict[str, Any]]:
    """Inputs, what lies between, the output, then the parameters: each with its gradient."""
    found = [
        _tensor(call, name, "input", array, call.dinputs.get(name), arrays)
        for name, array in call.inputs.items()
    ]
    between = call.internals
    for name, array in between.items():
        if not (name.startswith("d") and (name[1:] in between or name == "dscores")):
            found.append(_tensor(call, name, "between", array, between.get(f"d{name}"), arrays))
        elif name == "dscores":  # the scores themselves are not kept
            found.append(_tensor(call, "scores", "between", None, array, arrays))
    output = {"": "logits", "loss": "loss"}.get(call.path, "y")
    found.append(_tensor(call, output, "output", call.output, call.doutput, arrays))
    prefix = f"{call.path}." if call.path else ""
    for path, array in parameters.items():
        owner, _, name = path.rpartition(".")
        if owner == call.path and path.startswith(prefix):
            entry = _tensor(call, name, "parameter", array, gradients.get(path), arrays)
            found.append({**entry, "side": None})
    return found


def _tensor(
    call: Call, name: str, role: str, value: Array | None, gradient: Array | None, arrays: Arrays
) -> dict[str, Any]:
    def number(array: Array | None, of: str) -> int | None:
        return None if array is None else arrays.add(array, name=of, parameter=role == "parameter")

    keys = token_side(call, "k")
    return {
        "name": name,
        "role": role,
        "side": token_side(call, name),
        "keys": keys if name in ("probs", "scores") else None,
        "value": number(value, name),
        "gradient": number(gradient, name),
    }
