"""One thing that a suspect does wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from npformer.verify.lockstep.visits import Site, Visit, is_within


@dataclass(frozen=True)
class Mismatch:
    """One thing that the suspect does otherwise than the reference does on the same inputs."""

    path: str
    """The module that does it."""
    method: str
    """Its method (``forward``, ``project``), or the op that it calls (``attention``)."""
    phase: str
    """``forward`` or ``backward``."""
    result: str
    """What is wrong: ``y``, ``dx``, ``dweight``, or an argument or gradient passed to a call."""
    receiver: str
    """The call that it is passed to, by what the module calls it; empty for a result."""
    message: str
    error: float = np.inf
    """Rounding units; infinite where no number is to blame."""
    tick: int = 0
    where: str = ""
    """The suspect's line of source, or where the method or op begins, where known."""
    operation: str = ""
    """The step of the computation, in words."""
    absent: str = ""
    """A call that the reference makes there and the suspect does not."""
    visit: Visit | None = field(default=None, repr=False, compare=False)


def within(child: Site, owner: Site) -> str:
    """A call as the module that makes it would name it."""
    path, op = child.path, child.operation
    if owner.path and is_within(path, owner.path):
        path = path[len(owner.path) + 1 :]
    if op == "forward":
        return path or "itself"
    return f"{path}.{op}" if path and path != "loss" else op
