"""A debugger stops where the gradient is made, at the smallest input."""

from __future__ import annotations

import io
import sys

import pytest
import torch

from npformer.verify import WithVJP, check
from npformer.verify.answer.debug import debug
from tests.verify.functions import LATE, WRONG, WrongSwish, linear, linear_vjp_swapped


@pytest.mark.parametrize(
    ("implementation", "inputs", "where"),
    [
        (LATE, "btd, d, d", "weight_too_late()"),
        (WrongSwish, "btd", "backward()"),
        (WithVJP(linear, linear_vjp_swapped), "bi, oi", "linear_vjp_swapped()"),
        (WRONG["module"][0], "bt4", "forward()"),
        (lambda x: WrongSwish.apply(x), "btd", "<lambda>()"),
    ],
)
def test_it_stops_in_the_backward(implementation, inputs, where, monkeypatch, capsys):
    result = check(implementation, inputs, cases=10, shrink=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO("args\nquit\n"))
    debug(result.subject, result.failure.case)
    shown = capsys.readouterr().out
    assert where in shown.split("(Pdb)")[0].splitlines()[-2]
    assert sys.gettrace() is None or "pdb" not in repr(sys.gettrace())
    assert torch.is_grad_enabled()


def test_check_stops_by_itself_after_it_has_told_what_is_wrong(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("quit\n"))
    result = check(LATE, "btd, d, d", cases=10, shrink=False, debug=True)
    shown = capsys.readouterr().out
    assert shown.startswith(str(result)) and "weight_too_late()" in shown
    assert check(lambda x: x, "bd", cases=4, debug=True)
    assert not capsys.readouterr().out
