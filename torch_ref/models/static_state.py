"""Decoding on buffers of fixed shape and place, so that a step is the same kernels every time.

A small batch leaves a GPU waiting for Python to launch each kernel. Where shapes and addresses stay
the same, a whole step is captured once as a CUDA graph and then launched as one. The buffers and
their graphs outlive a search: the next of the same shape finds them ready.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from torch_ref.models.choice import Choice, Chosen
from torch_ref.models.decodes import Decodes
from torch_ref.nn.key_value_cache import (
    FIRST_ROOM,
    KeysValues,
    KeyValueCache,
    StaticKeyValueCache,
)
from torch_ref.nn.layer_state import KeptMemory, LayerState
from torch_ref.nn.sentence_grid import SentenceGrid

SOURCE_STEP = 32
"""Source lengths are rounded up to a multiple of this, so that few shapes occur."""
BUFFERS = 8
"""Shapes whose buffers and graphs are kept, the last used ones."""


class DecodingShape(NamedTuple):
    """The sizes of a decoding; of equal ones, a step is the same sequence of kernels."""

    sentences: int
    places: int  # rows that each sentence has
    source: int
    room: int  # positions that fit
    dtype: torch.dtype


class Buffers:
    """All that a step reads and writes, but for the weights, and the graphs of its steps."""

    def __init__(
        self, shape: DecodingShape, like: Sequence[LayerState], device: torch.device
    ) -> None:
        b, s, rows = shape.sentences, shape.source, shape.sentences * shape.places
        self.shape = shape
        self.ids = torch.zeros(rows, dtype=torch.int64, device=device)
        self.position = torch.zeros(1, dtype=torch.int64, device=device)
        self.memory_mask = torch.zeros(b, 1, 1, s, dtype=torch.bool, device=device)
        grid = SentenceGrid(np.arange(rows) // shape.places, b, device)
        self.layers = []
        for layer in like:
            own = LayerState(
                StaticKeyValueCache(_keys_values(layer), self.position, (rows, shape.room))
            )
            if layer.memory is not None:
                zeros = (x.new_zeros(b, s, *x.shape[2:]) for x in layer.memory.keys_values)
                own.memory = KeptMemory(KeysValues(*zeros), grid)
            self.layers.append(own)
        self._graphs: dict[Choice, tuple[torch.cuda.CUDAGraph, Chosen]] = {}

    def step(self, model: Decodes, choice: Choice) -> Chosen:
        """The step after ``ids`` at ``position``; the next one may overwrite what it returns."""
        if self.ids.device.type != "cuda":
            return self._step(model, choice)
        if choice not in self._graphs:
            self._graphs[choice] = self._capture(model, choice)
        graph, chosen = self._graphs[choice]
        graph.replay()
        return chosen

    def _step(self, model: Decodes, choice: Choice) -> Chosen:
        return choice(model.decode(self.ids, self.position, self.layers, self.memory_mask))

    def restart(self, layers: Sequence[LayerState], mask: Tensor) -> None:
        """Take over the memory of ``layers``, which may be shorter, and forget every position."""
        self.memory_mask.zero_()
        self.memory_mask[..., : mask.shape[3]] = mask
        for mine, given in zip(self.layers, layers, strict=True):
            _static(mine).restart(_keys_values(given))
            if mine.memory is not None and given.memory is not None:
                for buffer, new in zip(
                    mine.memory.keys_values, given.memory.keys_values, strict=True
                ):
                    buffer.zero_()
                    buffer[:, : new.shape[1]] = new

    def _capture(self, model: Decodes, choice: Choice) -> tuple[torch.cuda.CUDAGraph, Chosen]:
        device, graph = self.ids.device, torch.cuda.CUDAGraph()
        # A weight's copy in autocast's cache would be gone at the replay: the graph makes its own.
        mixed = torch.autocast(
            device.type,
            torch.get_autocast_dtype(device.type),
            enabled=torch.is_autocast_enabled(device.type),
            cache_enabled=False,
        )
        with torch.cuda.device(device), mixed:
            # A first run makes what libraries make on first use. It writes what the replay writes.
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                self._step(model, choice)
            torch.cuda.current_stream().wait_stream(side)
            # Other threads, such as those that make batches ready, may go on using the device.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                chosen = self._step(model, choice)
        return graph, chosen


class BufferPool:
    """Lends the buffers of a shape to one decoding at a time."""

    def __init__(self) -> None:
        self._lent: OrderedDict[DecodingShape, tuple[Buffers, weakref.ref[StaticState]]] = (
            OrderedDict()
        )

    def lend(
        self, shape: DecodingShape, state: StaticState, layers: Sequence[LayerState], mask: Tensor
    ) -> Buffers:
        """Buffers that no other living state uses, with the memory of ``layers`` in them."""
        buffers, user = self._lent.pop(shape, (None, None))
        if buffers is None or (user is not None and user() is not None):
            buffers = Buffers(shape, layers, mask.device)
        self._lent[shape] = buffers, weakref.ref(state)
        if len(self._lent) > BUFFERS:
            self._lent.popitem(last=False)
        buffers.restart(layers, mask)
        return buffers


class StaticState:
    """``DecoderState`` on fixed buffers: a grid in which each sentence has the same places.

    A place whose hypothesis is gone is computed all the same, and nobody looks at the result.
    """

    def __init__(
        self, pool: BufferPool, layers: list[LayerState], mask: Tensor, max_length: int
    ) -> None:
        self._pool = pool
        self.length = 0
        self.sentence = np.arange(len(mask))  # (R,)
        source = -(-mask.shape[3] // SOURCE_STEP) * SOURCE_STEP
        room = min(FIRST_ROOM, max_length)
        shape = DecodingShape(
            len(mask), 1, source, room, _keys_values(layers[0]).fused.weight.dtype
        )
        self._buffers = pool.lend(shape, self, layers, mask)
        self._grid = self._place(1)

    def advance(self, model: Decodes, ids: np.ndarray, choice: Choice) -> Chosen:
        """The step after ``ids`` (R,): what ``choice`` takes of the rows' logits.

        Raises ShapeError once the model's ``max_length`` ids have been given.
        """
        shape = self._buffers.shape
        if self.length == model.config.max_length:
            raise model.too_long(self.length + 1)
        if self.length == shape.room:
            longer = min(2 * shape.room, model.config.max_length)
            self._move(shape._replace(room=longer), np.arange(len(self._buffers.ids)))
        every = np.zeros(len(self._buffers.ids), dtype=np.int64)
        every[self._grid.cell] = ids
        self._buffers.ids.copy_(torch.from_numpy(every))
        self._buffers.position.fill_(self.length)
        self.length += 1
        chosen = self._buffers.step(model, choice)
        if self._grid.index is None:
            return chosen
        return Chosen(*(x.index_select(0, self._grid.index) for x in chosen))

    @torch.inference_mode()
    def select(self, rows: np.ndarray) -> None:
        """Keep ``rows`` of the batch, in that order; a row may come more than once."""
        shape = self._buffers.shape
        before = self._grid.cell
        self.sentence = self.sentence[rows]
        self._grid = self._place(shape.places)
        parents = np.zeros(shape.sentences * self._grid.shape[1], dtype=np.int64)
        parents[self._grid.cell] = before[rows]
        self._move(shape._replace(places=self._grid.shape[1]), parents)

    def _place(self, places: int) -> SentenceGrid:
        buffers = self._buffers
        return SentenceGrid(
            self.sentence, buffers.shape.sentences, buffers.ids.device, places=places
        )

    def _move(self, shape: DecodingShape, parents: np.ndarray) -> None:
        """Row i of the buffers continues from row ``parents[i]``, in buffers of another shape."""
        old, new = self._buffers, self._buffers
        if shape != old.shape:
            new = self._pool.lend(shape, self, old.layers, old.memory_mask)
        index = torch.as_tensor(parents, device=old.ids.device)
        for mine, given in zip(new.layers, old.layers, strict=True):
            _static(mine).take(_static(given), index, self.length)
        self._buffers = new


def _keys_values(layer: LayerState) -> KeyValueCache:
    assert isinstance(layer.self_attn, KeyValueCache), "a state needs no buffers of its own"
    return layer.self_attn


def _static(layer: LayerState) -> StaticKeyValueCache:
    assert isinstance(layer.self_attn, StaticKeyValueCache)
    return layer.self_attn
