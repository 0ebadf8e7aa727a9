"""``npformer verify --model``: a whole model from a file of the user's own, a run, a family."""

from __future__ import annotations

import json
import sys

import pytest

MODEL = """
import torch
import torch.utils.checkpoint


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


class Writer(torch.nn.Module):
    def __init__(self, sees_all: bool = False, sees_more: bool = False):
        super().__init__()
        self.table, self.sees_all = torch.nn.Embedding(7, 4), sees_all
        self.body = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.5))
        self.saves = True

    def forward(self, ids, *, hidden=None):
        x = self.table(ids)
        if hidden is not None:
            x = x * ~hidden[..., None]
        if self.saves:
            x = torch.utils.checkpoint.checkpoint(
                self.body, x, use_reentrant=False, preserve_rng_state=False
            )
        else:
            x = self.body(x)
        y = x.cumsum(1) if not self.sees_all else x.sum(1, keepdim=True).expand(x.shape)
        return y @ self.table.weight.T


def unmasked():
    return Writer(sees_all=True)


def plain_unmasked():
    model = unmasked()
    model.saves = False
    return model


def hides(inputs, shown):
    return {"hidden": ~shown}


def drops_nothing(model):
    model.saves = False


def step(model, newest, state):
    return model(newest), None


def called(model, ids):
    return model(ids)


def some_ids(batch, length, rng):
    return rng.integers(1, 7, (batch, length))
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


def broken(path):
    report = json.loads((path / "report.json").read_text(encoding="utf-8"))
    return {each["name"]: each["broken"] for each in report["asked"] if each["broken"]}


def test_all_that_can_be_said_of_a_model(npformer, mine):
    asks = ("verify", "--model", "mine:Writer", "--lengths", 2, 4, "--json", mine / "report.json")
    ended = npformer(*asks, "--options", "none", "--padding", "mine:hides")
    assert ended.status == 1, ended.err + ended.out
    assert broken(mine).keys() == {"two-backwards"}
    ended = npformer(
        *(*asks, "--options", "sees_more=False", "--step", "mine:step", "--call", "mine:called"),
        *("--plain", "mine:drops_nothing", "--inputs", "mine:some_ids", "--padding", 0),
    )
    assert ended.status == 1, ended.err + ended.out
    found = broken(mine)
    assert found.keys() == {"two-backwards", "cached-step", "memory-saving"}
    assert found["memory-saving"]["module"] == "body.1"
    ended = npformer(*asks, "--options", "sees_all=True", "--causal", "yes", "--vocabulary", 7)
    assert ended.status == 1, ended.err + ended.out
    assert {"future", "future-gradient"} <= broken(mine).keys()


def test_a_decoder_whose_mask_was_forgotten(npformer, mine):
    asks = ("verify", "--model", "mine:unmasked", "--lengths", 3, "--padding", "target=0")
    ended = npformer(*asks)
    assert ended.status == 2 and "no stream of Writer; it has ids" in ended.err
    asks = ("verify", "--model", "mine:unmasked", "--lengths", 3, "--plain", "mine:unmasked")
    ended = npformer(*asks)
    assert ended.status == 1, ended.err + ended.out
    assert "NO VERDICT" in ended.out.splitlines()[1] and "--causal yes" in ended.out
    ended = npformer("verify", "--model", "mine:plain_unmasked", "--lengths", 3)
    assert ended.status == 2, ended.err + ended.out
    assert "NO VERDICT" in ended.out.splitlines()[1]
    ended = npformer("verify", "--model", "mine:plain_unmasked", "--lengths", 3, "--causal", "no")
    assert ended.status == 0, ended.err + ended.out


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
        (["--causal", "yes"], "--causal goes with --model"),
        (["--step", "mine:step", "--batch-first", "no"], "--step, --batch-first go with --model"),
        (["--model", "mine:right", "--options", "causal"], "write norm=pre,post"),
        (["--model", "mine:right", "--padding", "0", "x=0"], "either by stream"),
        (["--model", "mine:right", "--padding", "zero"], "it must be MODULE:NAME"),
        (["--model", "mine:right", "--inputs", "btd"], "--inputs is 'btd'; with --model"),
        (["--model", "mine:right", "--step", "mine:nothing"], "mine has no 'nothing'"),
        (["--model", "gpt", "--mutants"], "--model goes with"),
    ],
)
def test_what_gives_no_verdict_ends_in_one_line(npformer, mine, arguments, said):
    ended = npformer("verify", *arguments)
    assert ended.status == 2
    assert said in ended.err and ended.err.count("\n") == 1
