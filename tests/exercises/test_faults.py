"""Numbers in a message can be told apart."""

import pytest

from npformer.exercises.faults import numbers


@pytest.mark.parametrize(
    ("got", "right", "shown"),
    [
        (0.5, 1.0, ("0.5", "1")),
        (1 / 3, 0.25, ("0.3333333", "0.25")),
        (-0.0, 1.0, ("0", "1")),
        (0.8414709848, 0.8414709849, ("0.8414709848", "0.8414709849")),
        (0.1, 0.1 + 1e-16, ("0.10000000000000001", "0.1000000000000001")),
        (2, 3, ("2", "3")),
    ],
    ids=["short", "fraction", "minus zero", "late", "last", "whole"],
)
def test_two_numbers_that_differ_are_shown_to_differ(got, right, shown):
    assert numbers(got, right) == shown
