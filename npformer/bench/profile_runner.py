"""A NumPy step watched op by op: ``python -m npformer.bench.profile_runner PRESET SETTINGS``.

SETTINGS are a ``BenchConfig`` as JSON. It is asked to ``measure`` so many steps (``process.py``).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable

from threadpoolctl import ThreadpoolController

from npformer.bench.numpy_runner import make_step
from npformer.bench.op_times import OpTimes
from npformer.bench.op_work import OpWork
from npformer.bench.process import Answer, serve
from npformer.bench.rates import measure_rates
from npformer.bench.settings import BenchConfig
from npformer.seam import watching

WARM_UP = 2
"""Steps before those that are measured."""


def profile(preset: str, bench: BenchConfig, steps: int) -> Answer:
    """Seconds, calls and least work of one step: of each op, of each module's own lines, and all.

    Of the ``rows``, ``seconds`` and ``calls`` are lists, one number a thread. ``step`` are seconds
    by the clock, ``busy`` those of the processor, ``watched`` likewise while the observer looks on,
    and ``rest`` those of ``watched`` that belong to no call.
    """
    step = make_step("numpy", preset, bench)
    times, work = OpTimes(), OpWork()
    with ThreadpoolController().limit(limits=1, user_api="blas"):
        _timed(step, range(WARM_UP))
        clock, busy = _timed(step, range(WARM_UP, WARM_UP + steps))
        with watching(times):
            _, watched = _timed(step, range(WARM_UP + steps, WARM_UP + 2 * steps))
        with watching(work):
            step(WARM_UP + 2 * steps)
    threads = times.of_threads()
    rows = [
        {
            **key._asdict(),
            "calls": [thread[key].calls / steps if key in thread else 0 for thread in threads],
            "seconds": [thread[key].seconds / steps if key in thread else 0 for thread in threads],
            "bytes": work.bytes[key],
            "flops": work.flops[key],
        }
        for key in dict.fromkeys(key for thread in threads for key in thread)
    ]
    return {
        "rates": measure_rates(bench.workers)._asdict(),
        "step": clock / steps,
        "busy": busy / steps,
        "watched": watched / steps,
        "rest": watched / steps - sum(sum(row["seconds"]) for row in rows),
        "rows": rows,
    }


def _timed(step: Callable[[int], None], numbers: Iterable[int]) -> tuple[float, float]:
    """Seconds of all the steps, by the clock and of the processor."""
    clock, busy = time.perf_counter(), time.process_time()
    for number in numbers:
        step(number)
    return time.perf_counter() - clock, time.process_time() - busy


def main(arguments: list[str]) -> None:
    """Answer requests until standard input ends."""
    preset, settings = arguments
    bench = BenchConfig.from_json(settings)
    serve(lambda steps: profile(preset, bench, steps))


if __name__ == "__main__":
    main(sys.argv[1:])
