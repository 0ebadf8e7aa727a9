"""The measured table in docs/museum.md: ``python -m tests.museum`` writes it anew.

It needs jax besides the extras of the tests (``pip install -c constraints.txt -e '.[test,jax]'``),
and takes some minutes.
"""

from __future__ import annotations

import re

from npformer.verify.museum.table import museum
from tests.backwards import ROOT

PAGE = ROOT / "docs" / "museum.md"
TABLE = re.compile(r"(<!-- museum: .*? -->\n).*?(<!-- end -->)", re.DOTALL)

if __name__ == "__main__":
    found = museum(progress=print)
    text = TABLE.sub(lambda m: f"{m[1]}{found.markdown()}{m[2]}", PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(text, encoding="utf-8")
