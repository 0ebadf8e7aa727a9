"""Which number is wrong, where a directional derivative can only say that one is."""

from __future__ import annotations

import dataclasses

import numpy as np

from npformer.cards.case import is_output
from npformer.verify.component import Component
from npformer.verify.judge import furthest
from npformer.verify.subjects.user_component import UserComponent
from npformer.verify.verdict import Failure

SILENT = 1e299
"""``measured_scales`` has 1e300 where the reference gives no number."""


def located(component: Component, failure: Failure) -> Failure:
    """The failure with the gradient and the entry that are furthest off by finite differences."""
    if failure.oracle != "directional derivative" or not isinstance(component, UserComponent):
        return failure
    case = failure.case
    assert case is not None
    exact, ours = component.precise(case), component.run(case)
    scales = component.scales(case)
    eps = np.finfo(case.dy.dtype).eps
    worst = None
    for name, ref in exact.items():
        if is_output(name) or not np.size(ref):
            continue
        # Where the reference is silent, its scatter is no unit.
        usual = np.abs(ref) + np.sqrt(np.mean(np.square(ref)))
        scale = np.where(scales[name] < SILENT, scales[name], usual)
        units = np.abs(np.asarray(ours[name], np.float64) - ref) / (eps * scale)
        found = furthest(name, ours[name], ref, np.nan_to_num(units, nan=np.inf), 0.0, case)
        if worst is None or found.error > worst.error:
            worst = found
    if worst is None:
        return failure
    text = worst.message.partition(": off by")[0]
    return dataclasses.replace(
        worst,
        oracle="its own forward",
        message=f"{text} by finite differences: off by {worst.error:.3g} rounding units",
        pytorch=None,
    )
