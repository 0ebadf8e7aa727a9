"""docs/accuracy.md has a row for every operation."""

from __future__ import annotations

from tests import accuracy


def test_every_operation_has_a_row_in_the_registrys_order():
    assert list(accuracy.rows()) == accuracy.listed(), "python -m tests.accuracy NAME adds a row"
