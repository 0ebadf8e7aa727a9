#!/usr/bin/env bash
# Under any TorchDispatchMode autograd needs more memory than without: who measures it sees too much.
#
# Versions    torch 2.13.0, numpy 2.4.6, Python 3.11, CPU
# Behaviour   Where a tensor is used twice, autograd adds the second gradient in place to the first, if
#             nobody else holds that. While a dispatch mode is active it makes a third tensor instead.
#             So a mode that only looks on, as memory trackers and FakeTensorMode do, changes the peak
#             that it measures, by as much as a gradient: a large matrix, where an embedding is the
#             output projection too.
# Seen        torch 2.13.0+cpu
#             peak without a mode: 12.0 MiB; under a mode that does nothing: 16.0 MiB
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
KINETO_LOG_LEVEL=99 "$work/venv/bin/python" - <<'PY'
from contextlib import nullcontext

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode


class LooksOn(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


def peak(mode):
    """The most MiB allocated at a time, by the profiler's record, beside the weight's own 4 MiB."""
    weight = torch.ones(1024, 1024, requires_grad=True)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled, mode:
        x = weight * 1.0
        ((x * 2).sum() + (x * 3).sum()).backward()
    events = profiled.profiler.kineto_results.events()
    changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    now = most = 0
    for _, size in changes:
        now += size
        most = max(most, now)
    return most / 2**20


without, under = peak(nullcontext()), peak(LooksOn())
print("torch", torch.__version__)
print(f"peak without a mode: {without:.1f} MiB; under a mode that does nothing: {under:.1f} MiB")
if round(without) != 12 or round(under) != 16:
    raise SystemExit("no longer as stated")
print("as stated: a mode that only looks on costs another gradient of 4 MiB")
PY
