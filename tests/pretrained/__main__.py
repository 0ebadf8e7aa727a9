"""The table of published decoders in docs/pretrained.md; ``python -m tests.pretrained`` writes it.

Of each family the worst of its specimens, each a random model of the library's; float32 is the
error of npformer's run in units of the library's own.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from npformer.pretrained import from_pretrained
from tests.pretrained import library
from tests.pretrained.measure import greedy, of_library, of_numpy, quirks_of, rounding, worst
from tests.pretrained.specimens import SPECIMENS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pretrained.md"
TABLE = re.compile(r"(<!-- decoders: .*? -->\n).*?(<!-- end -->)", re.DOTALL)
HEAD = (
    "| family | `model_type` | logits | gradients | float32 | greedy | quirks |\n"
    "|---|---|--:|--:|--:|---|--:|\n"
)


def measured(name: str, directory: Path) -> dict[str, Any]:
    """The figures of one specimen."""
    model = library.random_model(SPECIMENS[name]())
    found = from_pretrained(library.saved(model, directory), np.float64)
    rng = np.random.default_rng(0)
    ids = rng.integers(3, found.model.config.vocab_size, (2, 11))
    dlogits = rng.standard_normal((*ids.shape, found.model.config.vocab_size))
    exact = of_library(found, model, ids, dlogits)
    narrow = from_pretrained(directory)
    ours = of_numpy(narrow, ids, dlogits.astype(np.float32))
    theirs = of_library(narrow, library.narrow(directory), ids, dlogits)
    logits, gradients = worst(of_numpy(found, ids, dlogits), exact)
    return {
        "family": found.family,
        "logits": logits,
        "gradients": gradients,
        "float32": rounding(ours, exact) / rounding(theirs, exact),
        "greedy": greedy(found, ids[:, :5], 20) == library.greedy(model, ids[:, :5], 20),
        "quirks": {name for name, _, _ in quirks_of(found.family, found.model.config)},
    }


def rows() -> str:
    """A row for each family, of the worst that its specimens have."""
    of_family: dict[Any, list[dict[str, Any]]] = {}
    for name in SPECIMENS:
        with tempfile.TemporaryDirectory() as directory:
            figures = measured(name, Path(directory))
        of_family.setdefault(figures["family"], []).append(figures)
    lines = []
    for family, each in of_family.items():
        title = (type(family).__module__.rpartition(".")[2], *family.model_types)
        cells = [
            f"[{title[0]}](../npformer/pretrained/families/{title[0]}.py)",
            ", ".join(f"`{kind}`" for kind in title[1:]),
            *(f"{max(one[what] for one in each):.0e}" for what in ("logits", "gradients")),
            f"{max(one['float32'] for one in each):.2f}",
            "the same" if all(one["greedy"] for one in each) else "another",
            str(len(set.union(*(one["quirks"] for one in each)))),
        ]
        lines.append(f"| {' | '.join(cells)} |\n")
    return "".join(lines)


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(TABLE.sub(lambda m: f"{m[1]}{HEAD}{rows()}{m[2]}", text), encoding="utf-8")
