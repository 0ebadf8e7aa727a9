"""docs/real_weights.md has the row of each model, of the package that its file pins."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "real_weights.md"
PINNED = {
    file.stem: found[1]
    for file in sorted(HERE.glob("*.py"))
    if (found := re.search(r'^PACKAGE = "(.*)"$', file.read_text("utf-8"), re.MULTILINE))
}
ROWS = {
    cells[0]: cells
    for line in PAGE.read_text("utf-8").splitlines()
    if len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 7
}


def test_each_model_has_its_row():
    assert PINNED and ROWS.keys() - {"model", "---"} == PINNED.keys()


@pytest.mark.parametrize("name", PINNED)
def test_a_row_is_of_the_pinned_package_and_shows_equality(name):
    _, package, _, logits, gradients, count, _ = ROWS[name]
    assert package == f"`{PINNED[name]}`"
    assert max(float(logits), float(gradients)) < 1e-9
    assert int(count) > 90


# Products of its shapes are off by 1.2 to 1.3 times what PyTorch's are; the rest is not explained.
UNEXPLAINED = pytest.mark.xfail(reason="2.2 times the library's own error; docs/real_weights.md")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=UNEXPLAINED) if n == "gemma3" else n for n in PINNED]
)
def test_the_error_in_float32_is_under_twice_the_librarys(name):
    assert float(ROWS[name][-1]) < 2
