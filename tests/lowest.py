"""The lowest versions that setup.cfg allows, as constraints for pip: ``python -m tests.lowest``.

``make test-lowest`` installs them, and runs there the tests that need no PyTorch.
"""

from __future__ import annotations

import configparser
import re
from pathlib import Path

SETUP = Path(__file__).parent.parent / "setup.cfg"


def lowest(text: str) -> dict[str, str]:
    """By package, the version of its ``>=`` in any list of a setup.cfg; where they differ, the highest."""
    setup = configparser.ConfigParser()
    setup.read_string(text)
    lists = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    found: dict[str, str] = {}
    for name, version in re.findall(r"^([\w-]+)>=([\w.]+)$", "\n".join(lists), re.MULTILINE):
        found[name] = max(found.get(name, version), version, key=_numbers)
    return found


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


if __name__ == "__main__":
    for name, version in lowest(SETUP.read_text(encoding="utf-8")).items():
        print(f"{name}=={version}")
