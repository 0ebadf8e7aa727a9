"""``npformer plan``: the table, the file, the check on this machine."""

from __future__ import annotations

import json

import pytest

TINY = ("--batch-tokens", 128, "--vocab-size", 300, "--model.max-length", 64)


def test_big_on_eight_gpus_fits_into_80_columns(npformer, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    ended = npformer(
        *("plan", "--preset", "big", "--gpus", 8, "--gpu", "h100"),
        *("--precision", "bf16", "--price", 2.5),
    )
    assert (ended.status, ended.err) == (0, "")
    assert max(map(len, ended.out.splitlines())) <= 80
    for said in (
        "big on 8 x NVIDIA H100 SXM (ddp), products in bf16",
        "214.2 M parameters",
        "98 pairs of 32",
        "of 80.00 GB: it fits",
        "45% (assumed) of 990 TFLOP/s a GPU",
        "300,000 updates",
        "GPU hours at 2.5",
        "Assumed: every batch is full",
    ):
        assert said in ended.out
    assert "What would make it fit" not in ended.out


def test_a_family_of_one_stream_has_sequences(npformer):
    ended = npformer("plan", "--model", "gpt", *TINY)
    assert ended.status == 0
    assert "128 tokens; at one time on each GPU 4 sequences of 32\n" in ended.out
    assert "pairs" not in ended.out and "a side" not in ended.out


def test_what_does_not_fit_comes_with_advice(npformer, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    ended = npformer("plan", "--preset", "big", "--gpu", "v100-16", "--loss-chunk", "0")
    assert ended.status == 0
    assert max(map(len, ended.out.splitlines())) <= 80
    assert "of 16.00 GB: it does not fit" in ended.out
    assert "--accumulate 4 --batch-tokens 6250" in ended.out
    assert "too much" in ended.out


def test_the_file_holds_every_figure(npformer, tmp_path):
    path = tmp_path / "plan.json"
    assert npformer("plan", "--preset", "base", "--gpu", "a100-40", "--json", path).status == 0
    figures = json.loads(path.read_text())
    assert figures["config"]["model"]["vocab_size"] == 37_000
    assert figures["fits"] is True
    assert figures["gpu"]["memory"] == 40_000_000_000
    assert figures["seconds"] == pytest.approx(100_000 * figures["update_seconds"])


@pytest.mark.parametrize("precision", ["full", "bf16"])
def test_the_check_measures_here(npformer, tmp_path, precision):
    path = tmp_path / "plan.json"
    ended = npformer(
        *("plan", "--check", "--device", "cpu", *TINY, "--precision", precision, "--json", path)
    )
    assert (ended.status, ended.err) == (0, "")
    checked = json.loads(path.read_text())["check"]
    assert checked["device"] == "CPU"
    assert checked["planned"] == pytest.approx(checked["measured"], rel=0.1)
    assert "Checked on CPU, one GPU's part: planned" in ended.out


def test_a_check_that_fails_is_status_1(npformer, monkeypatch):
    from torch_ref.train import measured_memory

    monkeypatch.setattr(measured_memory, "measure_update", lambda config, shape: 10**9)
    ended = npformer("plan", "--check", "--device", "cpu", *TINY)
    assert ended.status == 1
    assert "measured 1.00 GB" in ended.out


def test_a_check_that_this_machine_has_no_room_for_is_refused(refused, monkeypatch):
    from torch_ref.train import device

    monkeypatch.setattr(device, "free_memory", lambda device: 16 * 10**9)
    said = refused("plan", "--check", "--device", "cpu", "--preset", "big")
    assert "on the CPU, where 16.00 GB are free" in said


def test_the_numpy_engine_has_its_own_plan(npformer, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    path = tmp_path / "plan.json"
    ended = npformer("plan", "--engine", "numpy", "--check", *TINY, "--json", path)
    assert (ended.status, ended.err) == (0, "")
    assert max(map(len, ended.out.splitlines())) <= 80
    assert "tiny on the NumPy engine, 2 workers, in float32" in ended.out
    assert "at one time 4 pairs of 32" in ended.out
    figures = json.loads(path.read_text())
    memory, checked = figures["memory"], figures["check"]
    parts = ("weights", "optimizer", "gradients", "logits", "activations", "working")
    assert memory["total"] == sum(memory[part] for part in parts) == checked["planned"]
    assert checked["planned"] == pytest.approx(checked["measured"], rel=0.1)
    assert memory["optimizer"] == 8 * figures["parameters"]


def test_a_numpy_check_that_this_machine_has_no_room_for_is_refused(refused, monkeypatch):
    from npformer.cli import plan_numpy

    monkeypatch.setattr(plan_numpy, "free_memory", lambda: 10**6)
    said = refused("plan", "--engine", "numpy", "--check", *TINY)
    assert "where 1.0 MB are free" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--gpu", "h10"), "did you mean 'h100'?"),
        (("--gpu", "cpu"), "GPU 'cpu' is not known"),
        (("--gpus", 0), "gpus is 0"),
        (("--mfu", 45), "mfu is 45.0"),
        (("--preset", "bigg"), "did you mean 'big'?"),
        (("--precision", "fp16"), "choose one of full, bf16"),
        (("--gpu", "t4", "--precision", "bf16"), "no bf16 matrix units"),
        (("--length", 65), "no sentence of more than 64 tokens"),
        (("--price", -1), "price is -1.0"),
        (("--engine", "numpy", "--gpus", 2), "--gpus is for the PyTorch twin"),
        (("--engine", "numpy", "--precision", "bf16"), "--precision is for the PyTorch twin"),
        (("--engine", "numpy", "--length", 65), "no sentence of more than 64 tokens"),
        (("--json", "no/such/directory.json"), "no/such/directory.json"),
    ],
)
def test_a_wrong_word_is_one_line(refused, words, said):
    assert said in refused("plan", *words)
