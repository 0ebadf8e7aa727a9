"""A long trial of the checker: the right functions of ``test_never_accused``, seed after seed.

    python -m tests.verify.trial --seeds 0:20                 200 cases of each function and seed
    python -m tests.verify.trial --seeds 5:6 --only softmax   one function, one seed

Not a test: 300,000 examples take about an hour. Prints each accusation, with what repeats it, and
the number of examples so far; the exit status is 1 if there was one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from typing import Any

import torch

from npformer.errors import VerifyError
from npformer.verify import check
from tests.verify.test_never_accused import AGAINST, FLOAT32, OWN


def right_functions() -> Iterator[tuple[str, Any, str, dict[str, Any]]]:
    """Name, function, letter spec and options of ``check``."""
    for name, (function, inputs) in OWN.items():
        yield f"{name} (own forward)", function, inputs, {}
    for name, (function, inputs, against) in AGAINST.items():
        yield name, function, inputs, {"against": against}
    for name, (function, inputs, against) in FLOAT32.items():
        yield name, function, inputs, {"against": against, "dtypes": "float32"}


def main() -> int:
    arguments = _arguments()
    first, last = map(int, arguments.seeds.split(":"))
    torch.set_num_threads(1)
    examples = accused = 0
    for seed in range(first, last):
        for name, function, inputs, options in right_functions():
            if arguments.only is not None and arguments.only not in name:
                continue
            start = time.process_time()
            try:
                result = check(
                    function, inputs, cases=arguments.cases, seed=seed, shrink=False, **options
                )
            except VerifyError as error:
                print(f"no verdict: {name!r}, seed {seed}: {error}", flush=True)
                accused += 1
                continue
            examples += result.cases
            if arguments.times:
                print(f"{time.process_time() - start:6.2f} s  {name}", flush=True)
            if not result:
                accused += 1
                print(f"accused: {name!r}, seed {seed}, {result.failed_cases} of {result.cases} "
                      f"cases\n{result}\n", flush=True)  # fmt: skip
        print(f"seed {seed}: {examples:,} examples so far, {accused} accusations", flush=True)
    return 1 if accused else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="0:1", help="first and last, A:B, without B")
    parser.add_argument("--cases", type=int, default=200, help="of each function and seed")
    parser.add_argument("--only", help="functions with this in their names")
    parser.add_argument("--times", action="store_true", help="print the CPU time of each check")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
