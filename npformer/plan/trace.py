"""What exists at each moment of an update of the twin, at the depth that was configured.

The twin is built with two layers a stack at most, and its forward and backward are recorded. In a
deeper stack, the layers between behave as the first one does: what it keeps exists once more for
each of them from its forward to its backward, and its gradients from its backward on. While the
first layer's backward is at work, the others' may be done or still to come: both are moments. A
model whose layers are not alike is recorded whole.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from torch import nn

from npformer.config import RunConfig
from npformer.plan.modules import MadeAt, Modules
from npformer.plan.shape import DeviceKind, Shape
from npformer.plan.storages import Moment, Storage, Storages
from npformer.plan.twin import CPU, LastChunks, backward, fake, ids, shallow, twin
from torch_ref.train.precision import Precision

LAYERS = 2
"""Of each stack, as it is recorded."""

Unit = tuple[str, int] | None
"""A layer, by its stack and number; None for what lies outside the stacks."""


class StepMemory(NamedTuple):
    """Bytes beside weights and optimizer, each an array with an entry a moment, (M,)."""

    places: list[MadeAt]
    in_layer: np.ndarray
    """Whether a layer is at work."""
    activations: np.ndarray
    working: np.ndarray
    layers: np.ndarray
    """Gradients of layers, but for the one at work."""
    own: np.ndarray
    """Gradients of the layer at work."""
    root: np.ndarray
    """Gradients of what lies outside the layers."""


class _Record(NamedTuple):
    """What a shallow twin did."""

    moments: list[Moment]
    kept: list[Storage]
    working: list[Storage]
    gradients: list[tuple[str, Storage]]
    """With their parameters' names."""


def trace(
    config: RunConfig,
    shape: Shape,
    device: DeviceKind,
    depths: Mapping[str, int],
    *,
    gradients: bool,
    sharded: bool,
) -> Iterator[StepMemory]:
    """The moments of one batch's forward and backward; ``depths`` are the stacks' true ones.

    With ``gradients``, those of earlier batches exist already and are left out here. ``sharded``:
    the weights are there in the precision of the products.
    """
    record = _recorded(config, shape, device, gradients=gradients, sharded=sharded)
    unit = functools.cache(lambda name: unit_of(name, depths))
    units = [unit(moment.place.module) for moment in record.moments]
    count = len(units)
    of_unit: dict[Unit, list[Storage]] = {}
    for name, storage in record.gradients:
        of_unit.setdefault(unit(name), []).append(storage)
    own, layers = np.zeros((2, count), np.int64)
    for each, storages in of_unit.items():
        if each is not None:
            at_work = np.array([u == each for u in units])
            there = alive(storages, count)
            own, layers = own + there * at_work, layers + there * ~at_work
    traced = StepMemory(
        places=[moment.place for moment in record.moments],
        in_layer=np.array([each is not None for each in units]),
        activations=alive(record.kept, count),
        working=alive(record.working, count) + [moment.inside for moment in record.moments],
        layers=layers,
        own=own,
        root=alive(of_unit.get(None, []), count),
    )
    for done in (False, True):
        deep = traced
        for stack, depth in depths.items():
            first: Unit = (stack, 0)
            ours = [m for m in range(count) if units[m] == first and traced.places[m].backward]
            if depth <= LAYERS or not ours or not config.model.alike:
                continue
            more, begins, over = depth - LAYERS, ours[0], ours[0] if done else ours[-1] + 1
            forward = [
                m
                for m in range(count)
                if units[m] == (stack, LAYERS - 1) and not traced.places[m].backward
            ]
            kept, working = (
                _between(
                    [s for s in storages if unit(s.place.module) == first],
                    (forward[-1] + 1, begins, over),
                    count,
                )
                for storages in (record.kept, record.working)
            )
            made = sum(storage.size for storage in of_unit.get(first, []))
            deep = deep._replace(
                activations=deep.activations + more * kept,
                working=deep.working + more * working,
                layers=deep.layers + more * made * (np.arange(count) >= over),
            )
        yield deep


def _between(storages: list[Storage], when: tuple[int, int, int], count: int) -> np.ndarray:
    """Bytes that one more layer keeps from its forward on, (M,), if it is as the first one.

    ``when``: the next layer's forward is over (what is gone by then was its input); the first
    layer's backward begins; the other one's backward is over.
    """
    forward, begins, over = when
    there = alive(
        [
            s
            for s in storages
            if s.place.running and not s.place.backward and (s.died is None or s.died > forward)
        ],
        count,
    )
    there[begins:] = there[begins - 1]
    there[over:] = 0
    return there


def alive(storages: list[Storage], count: int) -> np.ndarray:
    """Bytes of the storages that exist at each of ``count`` moments, (M,)."""
    change = np.zeros(count + 1, np.int64)
    for storage in storages:
        change[storage.born] += storage.size
        change[count if storage.died is None else storage.died] -= storage.size
    return np.cumsum(change[:-1])


def unit_of(name: str, depths: Mapping[str, int]) -> Unit:
    """The layer that a module or parameter of that name belongs to."""
    for stack in depths:
        if found := re.match(re.escape(stack) + r"\.(\d+)(\.|$)", name):
            return stack, int(found[1])
    return None


def _recorded(
    config: RunConfig, shape: Shape, device: DeviceKind, *, gradients: bool, sharded: bool
) -> _Record:
    config = dataclasses.replace(config, model=shallow(config.model, LAYERS))
    precision = Precision.of(config, CPU)
    with fake(device):
        precision.apply(CPU)
        objective = twin(config)
        parameters = dict(objective.named_parameters())
        for parameter in parameters.values():
            if sharded:
                parameter.data = parameter.data.to(precision.products)
            if gradients and parameter.requires_grad:
                parameter.grad = parameter.detach().clone()
        modules, (inputs, targets) = Modules(objective), ids(shape, objective)
        record = Storages(modules.place, casts=device == "cpu")
        for there in (*parameters.values(), *objective.buffers()):
            record.know(there)
            if there.grad is not None:
                record.know(there.grad)
        for array in (*inputs.values(), targets):
            record.see(array, MadeAt("", True, False))
        if objective.chunk:
            objective.of_chunk = LastChunks(targets.numel(), objective.chunk)
        with record:
            loss = objective(inputs, targets, label_smoothing=config.train.label_smoothing)
            forward = len(record.moments)
            backward(loss)
        made = {} if gradients else _gradients(parameters.items(), record)
    kept: list[Storage] = []
    working: list[Storage] = []
    for storage in record.storages:
        lasts = storage.place.backward or storage.died is None or storage.died > forward
        if id(storage) not in made:
            (kept if storage.place.running and lasts else working).append(storage)
    return _Record(record.moments, kept, working, list(made.values()))


def _gradients(
    parameters: Iterable[tuple[str, nn.Parameter]], record: Storages
) -> dict[int, tuple[str, Storage]]:
    """The parameters' names and their gradients' storages, by the storage's identity."""
    found = [(name, record.of(p.grad)) for name, p in parameters if p.grad is not None]
    return {id(storage): (name, storage) for name, storage in found}
