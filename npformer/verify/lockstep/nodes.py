"""Where in a model rounding grows: every call of one pass against the twin, in rounding units.

Both sides are recorded (``npformer.inspect``, ``torch_ref.inspect``), the twin in float64. The
scale S of a call's output and gradients is that of the whole pass up to there, measured for all
calls at once (``noise``): an error of 1 is what one rounding unit at every op before it would do.
Rounding that has grown on the way is therefore no error. A wrong backward is one, there and
wherever its gradient goes on to: of the wrong nodes, the first in the order of the backward is it.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from npformer.cards.pytorch import bridge
from npformer.cards.scales import float_info
from npformer.inspect.recorder import record
from npformer.inspect.recording import Array, Recording
from npformer.models import make_model
from npformer.models.model import Model
from npformer.text.batches import Batch
from npformer.verify.units.error import error_units, worst
from npformer.verify.units.noise import measured_scales

if TYPE_CHECKING:
    from torch_ref.models.model import Model as Twin


class NodeError(NamedTuple):
    """The largest error of all calls of a path, in rounding units."""

    forward: float
    """Of the outputs."""
    gradient: float
    """Of the gradients of outputs and inputs, and of the module's own parameters."""


def node_errors(model: Model, twin: Twin, batch: Batch) -> dict[str, NodeError]:
    """Path of each call -> how far ``model`` is from ``twin`` there, without dropout.

    The twin gives its configuration, and a copy of it the reference: with the model's weights, in
    float64. Errors are in units of the model's own dtype. An activation whose input is within
    rounding of a kink (ReLU at 0) may be on in one and off in the other; its gradient then differs
    by all that passes there. Raises ``ShapeError`` unless the twin's parameters have the model's
    names, shapes and dtype, and as the model's ``forward``.
    """
    from torch_ref.inspect import record as record_twin

    reference = copy.deepcopy(twin)
    bridge.to_torch(model.state_dict(), reference)
    expected = _arrays(record_twin(reference.double(), batch))
    found = _arrays(record(model, batch))

    wide = make_model(model.config, rng=np.random.default_rng(0), dtype=np.float64)
    wide.load_state_dict({path: a.astype(np.float64) for path, a in model.state_dict().items()})
    dtype = model.embedding.weight.data.dtype
    scales = measured_scales(lambda: _arrays(record(wide, batch)), float_info(dtype))

    errors: dict[str, NodeError] = {}
    for (path, what), array in found.items():
        error = worst(error_units(array, expected[path, what], scales[path, what], dtype))
        forward, gradient = errors.get(path, NodeError(0.0, 0.0))
        errors[path] = (
            NodeError(max(forward, error), gradient)
            if what.startswith("y")
            else NodeError(forward, max(gradient, error))
        )
    return errors


def _arrays(recording: Recording) -> dict[tuple[str, str], Array]:
    """(path, what it is) -> every output (``y``) and every gradient of a recording."""
    arrays = {}
    for call in recording.calls:
        arrays[call.path, f"y {call.call}"] = call.output
        arrays[call.path, f"dy {call.call}"] = call.doutput
        for name, gradient in call.dinputs.items():
            arrays[call.path, f"d{name} {call.call}"] = gradient
    for parameter, gradient in recording.gradients.items():
        path, _, name = parameter.rpartition(".")
        arrays[path, f"grad {name}"] = gradient
    return arrays
