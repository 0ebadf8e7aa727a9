"""``python -m tests.conformance [NAME ...]``: asks the packages, and writes docs/conformance.md."""

from __future__ import annotations

import argparse

from tests.conformance.engines import ENGINES, asked, keep
from tests.conformance.page import PAGE, page


def main() -> None:
    """Asks those that are named, or all; the page then has their answers beside the kept ones."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *ENGINES], metavar="NAME")
    for name in parser.parse_args().names or ENGINES:
        print(name, flush=True)
        keep(name, asked(ENGINES[name]))
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
