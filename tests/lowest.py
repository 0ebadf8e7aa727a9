"""The lowest versions that setup.cfg allows, for pip to install: ``make test-lowest``.

``python -m tests.lowest test-numpy`` prints one line a package: those that npformer itself needs,
and those of the extras that are named.
"""

from __future__ import annotations

import configparser
import re
import sys
from collections.abc import Iterable
from pathlib import Path

SETUP = Path(__file__).parent.parent / "setup.cfg"


def lowest(text: str, extras: Iterable[str] = ()) -> list[str]:
    """``numpy==2.0`` for each ``numpy>=2.0`` of a setup.cfg.

    Raises ``KeyError`` for an extra that it does not have, ``ValueError`` for a requirement in
    another form.
    """
    setup = configparser.ConfigParser()
    setup.read_string(text)
    wanted = [setup["options"]["install_requires"]]
    wanted += [setup["options.extras_require"][extra] for extra in extras]
    found = []
    for line in "\n".join(wanted).split():
        parts = re.fullmatch(r"([\w-]+)>=([\w.]+)", line)
        if parts is None:
            raise ValueError(f"{line!r} is not of the form name>=version")
        found.append("==".join(parts.groups()))
    return found


if __name__ == "__main__":
    print("\n".join(lowest(SETUP.read_text(encoding="utf-8"), sys.argv[1:])))
