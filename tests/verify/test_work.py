"""A search that stops at a limit of work, and says so."""

from __future__ import annotations

import functools
import sys

import numpy as np
import pytest
import torch

from npformer.verify import WithVJP, check
from npformer.verify.work import COMPARED, NUMBERS, Spent, spend, within

CHECK = sys.modules["npformer.verify.check"]


def test_work_is_counted_only_within_a_limit():
    spend(10 * NUMBERS)
    said: list[str] = []
    with pytest.raises(Spent), within(10_000, said.append):
        for _ in range(20):
            spend(500)
    assert said == [f"{n}0% of the work that it may take" for n in range(1, 11)]
    with pytest.raises(Spent), within(10_000):
        spend(1_000, COMPARED)
    spend(10 * NUMBERS)


@pytest.mark.parametrize("against", [None, torch.sin])
def test_a_case_too_large_to_explain_is_wrong_all_the_same(against, monkeypatch):
    monkeypatch.setattr(CHECK, "within", functools.partial(within, 20_000))

    def vjp(dy, x):
        dx = dy * np.cos(x)
        dx[..., 64:] += dy[..., :-64] * np.sin(3 * x[..., 64:])
        return dx

    rng = np.random.default_rng(0)
    said: list[str] = []
    result = check(
        WithVJP(np.sin, vjp), [rng.standard_normal((8, 90))], against=against, cases=4,
        shrink=False, progress=said.append,
    )  # fmt: skip
    assert not result.passed
    text = " ".join(str(result).split())
    assert "a case of 1,440 numbers is too large to try everything; give a smaller one" in text
    assert any("of the work" in each for each in said)
    assert "checking sin, float64: 2 of 2 cases" in said


def test_where_a_large_case_is_wrong_is_said_if_there_is_no_time_for_why(monkeypatch):
    limits = iter([1e9, 3_000, 1e9])  # the entry, why, where

    def limited(**options):
        return within(next(limits), **options)

    monkeypatch.setattr(CHECK, "within", limited)

    def vjp(dy, x):
        dx = dy * np.cos(x)
        dx[..., 64:] += dy[..., 64:] * np.sin(3 * x[..., 64:]) ** 2 + 1
        return dx

    x = np.random.default_rng(0).standard_normal((8, 90))
    result = check(WithVJP(np.sin, vjp), [x], against=torch.sin, cases=4, shrink=False)
    assert "dx is wrong at index 64 and later ones of axis 1" in result.diagnoses[0].sentence
    assert len(result.cut_short) == 1
