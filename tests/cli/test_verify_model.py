"""``npformer verify --model``: a whole model from a file of the user's own, a run, a family."""

from __future__ import annotations

import json
import sys

import pytest

MODEL = """
import torch


class Mean(torch.nn.Module):
    def forward(self, x):
        t = torch.arange(1, x.shape[1] + 1, dtype=x.dtype)[:, None]
        return x.cumsum(1) / (t if self.causal else x.shape[1])

    def __init__(self, causal=True):
        super().__init__()
        self.causal = causal


def build(scaled_by_length: bool = False):
    return torch.nn.Sequential(torch.nn.Linear(4, 4), Mean(not scaled_by_length))


def right():
    return Mean()


class Nothing(torch.nn.Module):
    def forward(self, x):
        raise ValueError("not today")


def refuses(a):
    return None
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine.py").write_text(MODEL, encoding="utf-8")
    yield tmp_path
    sys.modules.pop("mine", None)


def test_an_option_that_breaks_an_invariant(npformer, mine):
    ended = npformer(
        *("verify", "--model", "mine:build", "--lengths", 2, 5, "--json", mine / "report.json")
    )
    assert ended.status == 1, ended.err
    assert "BROKEN" in ended.out and "scaled_by_length=True" in ended.out
    report = json.loads((mine / "report.json").read_text(encoding="utf-8"))
    assert not report["passed"]
    broken = {each["name"]: each["broken"] for each in report["asked"] if each["broken"]}
    assert broken.keys() == {"prefix"}
    assert (broken["prefix"]["module"], broken["prefix"]["module_kind"]) == ("1", "Mean")
    assert (broken["prefix"]["batch"], broken["prefix"]["length"]) == (1, 2)


def test_a_right_model(npformer, mine):
    ended = npformer("verify", "--model", "mine:right", "--lengths", 3)
    assert ended.status == 0, ended.err + ended.out
    assert "not asked" in ended.out and "because" in ended.out


def test_a_run(npformer, trained):
    ended = npformer("verify", "--model", trained, "--lengths", 2)
    assert ended.status == 0, ended.err + ended.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "mine:Nothing"], "not today"),
        (["--model", "mine:refuses"], "refuses needs a"),
        (["--model", "mine"], "MODULE:NAME"),
        (["--model", "gtp"], "did you mean 'gpt'?"),
        (["--causal", "yes"], "--model"),
        (["--model", "gpt", "--mutants"], "--model goes with"),
    ],
)
def test_what_gives_no_verdict_ends_in_one_line(npformer, mine, arguments, said):
    ended = npformer("verify", *arguments)
    assert ended.status == 2
    assert said in ended.err and ended.err.count("\n") == 1
