"""``npformer bench --engine torch`` measures everyone by the same work, and compares rightly."""

from __future__ import annotations

import dataclasses
import io
import json

import pytest
from rich.console import Console

from npformer.bench import torch_baselines, torch_runner
from npformer.bench.settings import BenchConfig
from npformer.bench.shapes import WORKLOADS, Workload, padded_batch, training_shape
from npformer.bench.suite import run_bench, tables
from npformer.cli.bench import Command
from npformer.presets import run_preset
from npformer.text.tokenizer import PAD

TOY = BenchConfig(
    engine="torch", presets=("tiny",), rounds=1, steps=1, decode_tokens=2, batch=64, workers=1,
    compile=False, device="cpu",
)  # fmt: skip


class InThisProcess:
    """An implementation without the wait for a process of its own."""

    broken: tuple[str, ...] = ()

    def __init__(self, module: str, name: str, preset: str, settings: str, threads: int) -> None:
        assert module == torch_runner.__name__
        assert threads == TOY.workers
        assert BenchConfig.from_json(settings) == TOY
        self.name, self.runner = name, torch_runner.Runner(name, preset, TOY)

    def ask(self, what: str, **request):
        if self.name in self.broken:
            return None
        return json.loads(json.dumps(getattr(self.runner, what)(**request)))

    def close(self) -> str:
        return "its last words" if self.name in self.broken else ""


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    monkeypatch.setitem(WORKLOADS, "tiny", Workload(8, 16))
    monkeypatch.setattr(torch_baselines, "BenchProcess", InThisProcess)
    monkeypatch.setattr(
        torch_baselines, "DECODINGS", tuple(w._replace(rows=min(w.rows, 3), repeats=1)
                                          for w in torch_baselines.DECODINGS)
    )  # fmt: skip


def drawn(results) -> str:
    page = io.StringIO()
    for table in tables(results):
        Console(file=page, width=100).print(table)
    return page.getvalue()


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_short_bench_measures_everyone():
    pytest.importorskip("transformers", reason="MarianMTModel needs the extra marian")
    results = run_bench(TOY)
    rows = results["presets"]["tiny"]["implementations"]
    assert list(rows) == ["twin", "nn", "marian"]
    for row in rows.values():
        assert (row["rows"], row["length"], row["device"]) == (4, 16, "cpu")
        assert row["tokens_per_s"] == row["tokens"] / row["step"]
        assert 0 < row["mfu"] < 10  # of a peak measured on a machine that is not quiet
        assert row["peak_memory"] > 10 * 2**20
        assert all(row[w.name] > 0 for w in torch_baselines.DECODINGS)
    # The same work, counted once, and exactly as many parameters.
    assert len({(r["parameters"], r["flops"], r["peak_flops"]) for r in rows.values()}) == 1
    page = drawn(results)
    assert "/ PyTorch" in page and "/ Marian" in page and "failed" not in page


def test_without_transformers_marian_is_left_out_and_one_that_fails_says_why(monkeypatch):
    find_spec = torch_baselines.importlib.util.find_spec
    monkeypatch.setattr(
        torch_baselines.importlib.util,
        "find_spec",
        lambda name: None if name == "transformers" else find_spec(name),
    )
    monkeypatch.setattr(InThisProcess, "broken", ("nn",))
    results = run_bench(TOY)
    assert list(results["presets"]["tiny"]["implementations"]) == ["twin", "nn"]
    page = drawn(results)
    assert "pip install -e '.[marian]'" in " ".join(page.split())
    assert "PyTorch failed: its last words" in page


def test_a_ratio_over_one_is_the_better_twin():
    twin = {"parameters": 7, "rows": 1, "length": 2, "tokens_per_s": 30.0, "peak_memory": 2**20}
    other = {"parameters": 7, "tokens_per_s": 20.0, "peak_memory": 2**22}
    result = {
        "vocab_size": 9, "dropout": 0.0, "precision": "full", "compile": False, "decode_tokens": 2,
        "implementations": {"twin": twin, "nn": other}, "left_out": [], "suite": "torch",
    }  # fmt: skip
    page = drawn({"presets": {"tiny": result}})
    speed, memory = (
        next(line for line in page.splitlines() if key in line)
        for key in ("training", "peak memory")
    )
    assert "1.50" in speed and "30" in speed
    assert "4.00" in memory
    assert "greedy" not in page  # a line that nobody has a figure of is left out


def test_a_process_answers_by_lines_of_json(monkeypatch, capsys):
    requests = [{"what": "describe"}, {"what": "train", "count": 2}]
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    torch_runner.main(["nn", "tiny", json.dumps(dataclasses.asdict(TOY))])
    described, trained = map(json.loads, capsys.readouterr().out.splitlines())
    assert described["tokens"] <= 64
    assert len(trained["times"]) == 2


def test_a_batch_is_padded_as_batches_by_length_are():
    batch = padded_batch(50, 20, 100)
    lengths = (batch.inputs["source"] != PAD).sum(axis=1), (batch.targets != PAD).sum(axis=1)
    for side in lengths:
        assert side[0] == 20 and side.min() == 16
    assert ((batch.inputs["target"] != PAD) == (batch.targets != PAD)).all()
    arrays = (*batch.inputs.values(), batch.targets)
    assert max(ids.max() for ids in arrays) < 100
    rows = [ids[0] for ids in arrays]
    assert min(ids.min() for ids in rows) >= 4  # no special token


def test_the_size_of_a_batch():
    assert training_shape("tiny", 0, cuda=False) == (8, 16)
    assert training_shape("tiny", 100, cuda=False) == (6, 16)
    tokens = run_preset("base").data.batch_tokens
    assert training_shape("base", 0, cuda=True) == (tokens // WORKLOADS["base"].length, 64)
    assert training_shape("base", 128, cuda=True) == (2, 64)


def test_the_engine_that_is_named_brings_its_own_defaults():
    for words in (["--engine", "torch"], ["--engine=torch"]):
        assert Command.default(words).bench.presets == ("small",)
    assert Command.default([]).bench == Command.default(["--engine", "numpi"]).bench
    assert Command.default([]).bench.engine == "numpy"
