"""The calls of a recording as nodes of the page: the steps of both passes, and their tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from npformer.explorer.arrays import SCORES, Arrays, rounded
from npformer.explorer.formulas import explain
from npformer.explorer.products import products
from npformer.explorer.tree import call_tree
from npformer.explorer.wiring import wiring
from npformer.inspect.recording import RecordedCall, Recording
from npformer.ops.array import Array

Errors = Mapping[str, tuple[float, float]]
"""Module path -> error of the forward and of the gradient, in rounding units."""


def node_data(
    recording: Recording,
    parameters: dict[str, Array],
    arrays: Arrays,
    errors: Errors | None,
    keeps: Callable[[str], bool],
) -> dict[str, Any]:
    """``calls`` in the order of the forward, ``docs``, ``tree``, and the steps of both passes.

    Of the calls, those of paths that the page ``keeps``.
    """
    shown = [call for call in recording.calls if keeps(call.path) and not is_idle(call)]
    callers = {call.caller for call in shown}
    docs: dict[str, dict[str, Any]] = {}
    calls = []
    for number, call in enumerate(shown):
        name = call.op or call.kind
        if name not in docs:
            docs[name] = explain(name)
        calls.append(
            {
                "id": number,
                "path": call.path,
                "use": use(call, recording),
                "kind": call.kind,
                "doc": name,
                "step": call.forward_order not in callers,  # the others are made of steps
                "order": [call.forward_order, call.backward_order],
                "bytes": call.cache_bytes,
                "settings": {
                    name: rounded(value) if isinstance(value, float) else value
                    for name, value in call.settings.items()
                },
                "tensors": _tensors(call, recording, parameters, arrays),
                "products": _products(call, recording, parameters),
                "error": _error(call, errors),
            }
        )
    steps = [n for n, node in enumerate(calls) if node["step"]]
    return {
        "calls": calls,
        "docs": docs,
        "forward": steps,
        "backward": sorted(steps, key=lambda n: shown[n].backward_order),
        "tree": call_tree(shown),
        "wiring": wiring(recording, shown),
    }


def is_idle(call: RecordedCall) -> bool:
    """Whether a call only hands its input on: dropout of inference, a stack without layers."""
    return any(call.output is array for array in call.inputs.values())


def use(call: RecordedCall, recording: Recording) -> str:
    """Which of several calls of its path this is, in a word; "" where there is but one.

    What the model calls for each of its streams is called in their order; the embedding may be the
    output projection as well. Attention turns its queries, then its keys.
    """
    if call.kind.endswith(".rotate"):
        return ("queries", "keys")[call.call]
    streams = list(recording.streams)
    kinds = recording.kinds_by_path[call.path]
    first = kinds.count(kinds[0])
    if len(kinds) > first:  # a method besides the forward, which is called last
        looks_up = streams if first == len(streams) else streams[-1:]
        return looks_up[call.call] if call.call < first else "output"
    if first < max(2, len(streams)):
        return call.kind.partition(".")[2]
    if first > len(streams):  # several of one stream, as the norms of a state's queries and keys
        return str(call.call + 1)
    return streams[call.call]


def token_side(call: RecordedCall, name: str, recording: Recording) -> str:
    """Whose tokens stand along a tensor's rows: ``source`` or ``target``."""
    first, *others = recording.streams
    if not others:
        return "target"
    of_source = call.path.startswith((f"{first}_", recording.streams[first]))
    if of_source or use(call, recording) == first:
        return "source"
    parent, _, last = call.path.rpartition(".")
    if "cross_attn" in call.path and last in ("k_proj", "v_proj"):
        return "source"
    if "self_attn" not in call.path and name in ("memory", "source", "k", "v"):
        return "source"
    return "target"


def _error(call: RecordedCall, errors: Errors | None) -> list[float | None] | None:
    found = (errors or {}).get(call.path)
    return None if found is None else [rounded(error) for error in found]


def _products(
    call: RecordedCall, recording: Recording, parameters: dict[str, Array]
) -> list[dict[str, Any]]:
    """Of a call that computes, with the names of its tensors."""
    if call.op is None:
        return []
    own = {
        path.rpartition(".")[2]: path
        for path in parameters
        if path.rpartition(".")[0] == call.path and call.path
    }
    between = {n: a for n, a in call.internals.items() if not n.startswith("d")}
    weights = {name: parameters[path] for name, path in own.items()}
    values = {**call.inputs, **between, output_name(call): call.output, **weights}
    gradients = {n[1:]: a for n, a in call.internals.items() if n.startswith("d")}
    gradients |= call.dinputs | {output_name(call): call.doutput}
    gradients |= {name: recording.gradients[path] for name, path in own.items()}
    return products(values, gradients)


def output_name(call: RecordedCall) -> str:
    """What the page calls a call's output."""
    return {"": "logits", "loss": "loss"}.get(call.path, "y")


def _tensors(
    call: RecordedCall, recording: Recording, parameters: dict[str, Array], arrays: Arrays
) -> list[dict[str, Any]]:
    """Inputs, what lies between, the output, then the parameters: each with its gradient."""

    def tensor(name: str, role: str, value: Array | None, gradient: Array | None) -> dict[str, Any]:
        entry = _tensor(name, role, value, gradient, arrays)
        keys = token_side(call, "k", recording) if name in ("probs", "scores") else None
        return {**entry, "side": token_side(call, name, recording), "keys": keys}

    found = [
        tensor(name, "input", array, call.dinputs.get(name)) for name, array in call.inputs.items()
    ]
    between = call.internals
    names = {*between, *SCORES}
    gradients_of = {f"d{name}": name for name in names}
    order = sorted(between, key=lambda name: name not in SCORES[:1])  # what the softmax reads first
    for name in dict.fromkeys(gradients_of.get(name, name) for name in order):
        value, gradient = between.get(name), between.get(f"d{name}")  # either may not be kept
        found.append(tensor(name, "between", value, gradient))
    found.append(tensor(output_name(call), "output", call.output, call.doutput))
    prefix = f"{call.path}." if call.path else ""
    for path, array in parameters.items():
        owner, _, name = path.rpartition(".")
        if owner == call.path and path.startswith(prefix):
            entry = tensor(name, "parameter", array, recording.gradients.get(path))
            found.append({**entry, "side": None})
    return found


def _tensor(
    name: str, role: str, value: Array | None, gradient: Array | None, arrays: Arrays
) -> dict[str, Any]:
    def number(array: Array | None, of: str) -> int | None:
        return None if array is None else arrays.add(array, name=of, parameter=role == "parameter")

    return {
        "name": name,
        "role": role,
        "value": number(value, name),
        "gradient": number(gradient, name),
    }
