"""Where in a model rounding grows: every call of one pass against the twin, in rounding units.

Both sides are recorded (``npformer.inspect``, ``torch_ref.inspect``), the twin in float64. The
scale S of a call's output and gradients is that of the whole pass up to there, measured for all
calls at once (``noise``): an error of 1 is what one rounding unit at every op before it would do.
Rounding that has grown on the way is therefore no error. A wrong backward is one, there and
wherever its gradient goes on to: of the wrong nodes, the first in the order of the backward is it.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

import gc
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from npformer.cards.pytorch import bridge
from npformer.cards.scales import float_info
from npformer.inspect.recorder import record
from npformer.inspect.recording import Array, Recording
from npformer.models import make_model
from npformer.models.model import Model
from npformer.nn.init import Undrawn
from npformer.seam import Call, watching
from npformer.text.batches import Batch
from npformer.verify.units.error import error_units, worst
from npformer.verify.units.noise import measured_scales

if TYPE_CHECKING:
    from torch_ref.models.model import Model as Twin


Compared = dict[tuple[str, str], Array]
"""(path, what it is) -> the entries of it that are compared."""


class NodeError(NamedTuple):
    """The largest error of all calls of a path, in rounding units."""

    forward: float
    """Of the outputs."""
    gradient: float
    """Of the gradients of outputs and inputs, and of the module's own parameters."""


ENTRIES = 2**24
"""How many are compared in all, 128 MiB of float64: of a model with more, some of every array."""


def node_errors(model: Model, twin: Twin, batch: Batch) -> dict[str, NodeError]:
    """Path of each call -> how far ``model`` is from ``twin`` there, without dropout.

    The twin gives its configuration, and a copy of it the reference: with the model's weights, in
    float64. Errors are in units of the model's own dtype. An activation whose input is within
    rounding of a kink (ReLU at 0) may be on in one and off in the other; its gradient then differs
    by all that passes there. Where outputs and gradients have more than ``ENTRIES`` entries in all,
    large arrays are compared at as many, evenly spread. Raises ``ShapeError`` unless the twin's
    parameters have the model's names, shapes and dtype, and as the model's ``forward``.
    """
    whole = _arrays(record(model, batch))
    most = _most([array.size for array in whole.values()])
    found = {key: spread(array, most) for key, array in whole.items()}
    del whole  # each of the three models has the memory to itself
    expected = _expected(model, twin, batch, most)
    scales = _scales(model, batch, most)

    dtype = model.embedding.weight.data.dtype
    errors: dict[str, NodeError] = {}
    for (path, what), array in found.items():
        if what.startswith("d") and (path, what) not in expected:
            continue  # of a constant that the module made: autograd has no gradient for one
        error = worst(error_units(array, expected[path, what], scales[path, what], dtype))
        forward, gradient = errors.get(path, NodeError(0.0, 0.0))
        errors[path] = (
            NodeError(max(forward, error), gradient)
            if what.startswith("y")
            else NodeError(forward, max(gradient, error))
        )
    return errors


def _most(sizes: list[int]) -> int:
    """Entries of an array that may be compared, so that there are ``ENTRIES`` in all."""
    left, most = ENTRIES, 0
    for count, size in zip(range(len(sizes), 0, -1), sorted(sizes), strict=True):
        most = left // count
        if size > most:
            return max(most, 1)
        left -= size
    return max(sizes)


def spread(array: Array, most: int) -> Array:
    """At most so many entries of an array, (entries,), a copy: evenly spread over every axis."""
    if array.size <= most:
        return np.array(array)
    step = -(-array.size // most)
    while math.gcd(step, array.shape[-1]) > 1:  # else some columns would never be among them
        step += 1
    return array.reshape(-1)[::step].copy()


def _expected(model: Model, twin: Twin, batch: Batch, most: int) -> Compared:
    """What the reference has, by autograd."""
    from npformer.verify.lockstep.twin_side import widened
    from torch_ref.inspect import record as record_twin

    state = model.state_dict()
    bridge.check_arrays(dict(twin.named_parameters()), state, "the weights")
    reference: Any = widened(twin, state)
    for own, parameter in zip(reference.parameters(), twin.parameters(), strict=True):
        own.requires_grad_(parameter.requires_grad)
    found = {k: spread(array, most) for k, array in _arrays(record_twin(reference, batch)).items()}
    del reference
    gc.collect()  # calls hold each other, and with them a model in float64
    return found


def _scales(model: Model, batch: Batch, most: int) -> Compared:
    """S of what is compared."""
    wide = make_model(model.config, rng=Undrawn(), dtype=np.float64)
    state = {path: array.astype(np.float64) for path, array in model.state_dict().items()}
    wide.load_state_dict(state, assign=True)
    del state
    for own, parameter in zip(wide.parameters(), model.parameters(), strict=True):
        own.trainable = parameter.trainable
    gathered = _Gathered(wide, most)

    def run() -> Compared:
        with watching(gathered):
            arrays = _arrays(record(wide, batch))
        return {k: spread(array, most) for k, array in arrays.items()} | gathered.taken()

    return measured_scales(run, float_info(model.embedding.weight.data.dtype))


class _Gathered:
    """Takes what parameters' gradients get, and keeps the entries that are compared.

    They are as large as the model, and no parameter of it holds one.
    """

    def __init__(self, model: Model, most: int) -> None:
        self._paths = {id(one): path for path, one in model.named_parameters() if one.trainable}
        self._most = most
        self._found: dict[str, Array] = {}

    def __call__(self, call: Call, run: Any, *args: Any, **kwargs: Any) -> Any:
        path = self._paths.get(id(call.owner))
        if path is None or call.name != "accumulate":
            return run(*args, **kwargs)
        (gradient,) = args
        entries = spread(gradient, self._most)
        self._found[path] = self._found[path] + entries if path in self._found else entries
        return None

    def taken(self) -> Compared:
        """What was gathered, as ``_arrays`` names it; another run begins with nothing."""
        found, self._found = self._found, {}
        return {_of_parameter(path): array for path, array in found.items()}


def _of_parameter(path: str) -> tuple[str, str]:
    owner, _, name = path.rpartition(".")
    return owner, f"grad {name}"


def _arrays(recording: Recording) -> Compared:
    """(path, what it is) -> every output (``y``) and every gradient of a recording."""
    arrays = {}
    for call in recording.calls:
        arrays[call.path, f"y {call.call}"] = call.output
        arrays[call.path, f"dy {call.call}"] = call.doutput
        for name, gradient in call.dinputs.items():
            arrays[call.path, f"d{name} {call.call}"] = gradient
    for path, gradient in recording.gradients.items():
        arrays[_of_parameter(path)] = gradient
    return arrays
