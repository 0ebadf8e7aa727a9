"""Memory: keeping what a process freed for the next step, how much it has had, what is free.

A step makes and drops the same large arrays every time. By default the C library maps each one
afresh and unmaps it after use, and the kernel clears every page on its first touch: at these sizes
that costs as much as the arithmetic done on them. Told to keep what is freed, the allocator hands
the same pages out again at the next step, and the mathematics need not know.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from pathlib import Path

# Names and numbers from glibc's <malloc.h>.
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_MAX = -4
_M_ARENA_MAX = -8

_MIB = 2**20


def keep_freed_memory() -> bool:
    """Tell the C library to keep freed memory; True where it understands (glibc, so Linux).

    One arena serves every thread, as an arena of a thread's own holds blocks of 64 MiB at most.
    Call it before the first worker thread starts.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = (
        (_M_ARENA_MAX, 1),
        (_M_MMAP_MAX, 0),
        (_M_TRIM_THRESHOLD, 2**31 - 1),
        (_M_TOP_PAD, 64 * _MIB),
    )
    return all(mallopt(name, value) == 1 for name, value in settings)


def peak_memory() -> int:
    """The most memory that this process has had resident since its program began, in bytes.

    On Linux it is not ``ru_maxrss``, in which the peak of the process that started this one counts.
    """
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError):  # a system that has no /proc, or not this line
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def free_memory() -> int:
    """Bytes that can be had of this machine without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:  # no Linux: all that there is
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    table = dict(line.split(":") for line in lines)
    return int(table["MemAvailable"].removesuffix("kB")) * 1024
