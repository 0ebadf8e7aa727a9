"""Everything that a user can get wrong ends in one line and exit status 2."""

from __future__ import annotations

import errno
import gzip
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from npformer.cli import main as cli_main
from npformer.files import atomic
from npformer.train.checkpoint import read_checkpoint, save_arrays, save_checkpoint
from tests.cli.conftest import SMALL
from torch_ref.train.__main__ import main as torch_ref_train


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], "did you mean 'train'?"),
        (["train"], "RUN is missing"),
        (["train", "r", "--preset", "smal"], "did you mean 'small'?"),
        (["train", "r", "--engine", "nunpy"], "did you mean 'numpy'?"),
        (["train", "r", "--updatez", "3"], "did you mean '--updates'?"),
        (["train", "r", "--updates", "ten"], "--updates is 'ten'; it must be an integer"),
        (["train", "r", "--optim.beta1", "x"], "--optim.beta1 is 'x'; it must be a number"),
        (["train", "r", "--updates", "0"], "it must be 1 or more"),
        (["train", "r", "--updates"], "Missing value"),
        (["train", "r", "--model.d-k", "x"], "--model.d-k"),
        (["train", "r", "s"], "'s' is one argument too many"),
        (["train", "r", "--model.heads", "3"], "heads is 3, which does not divide d_model"),
        (["train", "r", "--model.norm", "pst"], "did you mean 'post'?"),
        (["train", "r", "--optim.learning-rate", "nan"], "it must be finite"),
        (["train", "no-such-run", "--resume"], "no-such-run"),
        (["train", "r", "--resume", "--preset", "tiny"], "leave --preset out"),
        (["translate", "no-such-run", "Hello."], "does not exist"),
        (["translate", "r", "--splitter", "spacey"], "did you mean 'spacy'?"),
        (["verify", "--component", "sofmax"], "did you mean 'softmax'?"),
        (["bench", "--presets", "tinny"], "did you mean 'tiny'?"),
    ],
)
def test_a_wrong_word(refused, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    assert said in refused(*words)
    assert not list(tmp_path.iterdir())


def test_a_terminal_without_box_characters():
    """tyro then draws its errors otherwise; they are read all the same."""
    ended = subprocess.run(
        [sys.executable, "-m", "npformer", "train", "r", "--updates", "ten"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        timeout=120,
    )
    assert ended.returncode == 2
    assert ended.stderr == b"npformer: --updates is 'ten'; it must be an integer\n"


CORPORA = {
    "missing.tsv": (None, "there is no file"),
    "empty.tsv": (b"", "is empty"),
    "empty_lines.tsv": (b"\n\n\n", "gives no pair"),
    "binary.tsv": (bytes(range(256)) * 8, "is not a text file"),
    "latin1.tsv": ("Tree\tB\u00e4ume\n".encode("latin-1"), "is not UTF-8: line 1, byte 6"),
    "utf16.tsv": ("Tree\tBaum\n".encode("utf-16"), "UTF-16"),
    "ragged.tsv": (b"a\tb\nc\td\ne\n", "line 3 has 1 column"),
    "truncated.tsv.gz": (gzip.compress(b"a\tb\n" * 999, mtime=0)[:-9], "cut short"),
    "foreign.tsv.xz": (b"a\tb\n", "damaged, or no .xz file"),
    "one.tsv": (b"a\tb\n", "training and validation need two or more"),
}


@pytest.mark.parametrize("name", CORPORA)
def test_a_bad_corpus(refused, tmp_path, name):
    content, said = CORPORA[name]
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    line = refused("train", tmp_path / "run", "--corpus", path, *SMALL)
    assert said in line
    assert name in line


def test_two_files_of_different_length(refused, tmp_path):
    names = [tmp_path / "c.en", tmp_path / "c.de"]
    for path, lines in zip(names, (3, 4), strict=True):
        path.write_text("x\n" * lines)
    line = refused("train", tmp_path / "run", "--corpus", f"{names[0]},{names[1]}", *SMALL)
    assert "has 3" in line
    assert "has 4" in line


def test_a_directory_that_holds_a_run_is_not_overwritten(refused, trained, corpus):
    before = sorted(path.stat().st_mtime_ns for path in trained.rglob("*"))
    assert "--resume" in refused("train", trained, "--corpus", corpus, *SMALL)
    assert before == sorted(path.stat().st_mtime_ns for path in trained.rglob("*"))


def test_resuming_with_another_configuration(refused, trained):
    assert "optim.warmup" in refused("train", trained, "--resume", "--optim.warmup", "3")


def test_a_look_at_unknown_characters(refused, trained, tmp_path):
    line = refused("attention", trained, "7 dogs 漢字.", "--out", tmp_path)
    assert "'字', '漢'" in line
    assert "--tokenizer bpe" in line


@pytest.mark.parametrize("command", ["translate", "attention"])
def test_a_sentence_over_the_maximum_length(refused, trained, tmp_path, command):
    out = ["--out", tmp_path] if command == "attention" else []
    line = refused(command, trained, "dogs " * 20, *out)
    assert "24" in line


def test_a_text_that_is_not_utf8(refused, trained, tmp_path):
    path = tmp_path / "letter.txt"
    path.write_bytes(b"7 dogs.\n\xe4\n")
    line = refused("translate", trained, "--file", path)
    assert f"{path} is not UTF-8 text: line 2 has the byte 0xe4" in line


def test_a_text_file_that_is_missing(refused, trained, tmp_path):
    assert "No such file" in refused("translate", trained, "--file", tmp_path / "letter.txt")


def test_a_split_that_the_corpus_has_not(refused, trained):
    assert "has no test split" in refused("evaluate", trained, "--split", "test")


def test_settings_of_the_search(refused, trained):
    assert "beam is 0" in refused("translate", trained, "7 dogs.", "--beam", "0")
    assert "top_p is 2.0" in refused("translate", trained, "7 dogs.", "--sample", "--top-p", "2")


class TestCheckpoint:
    """Each way in which a checkpoint can be bad, for every command that reads one."""

    COMMANDS = (["translate", "7 dogs."], ["evaluate"], ["attention", "7 dogs."])

    @pytest.fixture
    def copy(self, trained, tmp_path) -> Path:
        return Path(shutil.copytree(trained / "averaged", tmp_path / "checkpoint"))

    @pytest.fixture
    def refused_by_all(self, refused, copy):
        def run(said: str) -> None:
            for command, *words in self.COMMANDS:
                assert said in refused(command, copy, *words)

        return run

    def test_truncated(self, copy, refused_by_all):
        path = copy / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
        refused_by_all("model.safetensors is damaged")

    def test_one_flipped_bit(self, copy, refused_by_all):
        path = copy / "model.safetensors"
        content = bytearray(path.read_bytes())
        content[-5] ^= 1
        path.write_bytes(bytes(content))
        refused_by_all("does not match the manifest's sha256")

    def test_foreign(self, copy, refused_by_all):
        (copy / "manifest.json").write_text(json.dumps({"format": "another"}))
        refused_by_all("is not a checkpoint of npformer")

    def test_a_file_is_missing(self, copy, refused_by_all):
        (copy / "tokenizer.json").unlink()
        refused_by_all("lacks its tokenizer.json")

    def test_a_directory_of_something_else(self, copy, refused_by_all):
        for path in copy.iterdir():
            path.unlink()
        (copy / "readme.txt").write_text("hello")
        refused_by_all("neither a run's checkpoints nor a checkpoint")

    def test_weights_of_another_configuration(self, copy, refused_by_all):
        whole = read_checkpoint(copy)
        state = {f"model/{name}": array for name, array in whole.weights.items()}
        state["model/embedding.weight"] = np.zeros((5, 8), np.float32)
        write = partial(save_arrays, state=state)
        save_checkpoint(copy, whole.config, write, whole.tokenizer, whole.position)
        refused_by_all("has weights of another configuration")


def test_a_run_that_memory_is_too_small_for(refused, tmp_path, monkeypatch):
    from torch_ref.train import device

    monkeypatch.setattr(device, "free_memory", lambda device: 10**10)
    options = ("--engine", "torch", "--preset", "big", "--pairs", "300", "--vocab-size", "300")
    said = refused("train", tmp_path / "run", *options)
    assert "an update needs about" in said and "--batch-tokens" in said and "GB" in said
    assert not (tmp_path / "run").exists()


def test_numpy_trains_in_one_process(refused, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "add --engine torch" in refused("train", tmp_path / "run", *SMALL)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", [("train",), ("sweep", "--over", "model.norm=pre,post")])
def test_an_option_of_the_twin_for_numpy(refused, tmp_path, command):
    said = refused(command[0], tmp_path / "run", *command[1:], *SMALL, "--precision", "bf16")
    assert "--precision is for the PyTorch twin; add --engine torch" in said
    assert not (tmp_path / "run").exists()


def test_a_gpu_that_is_not_there(refused, tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    said = refused("train", tmp_path / "run", *SMALL, "--engine", "torch", "--device", "cuda")
    assert "PyTorch finds no GPU here; use --device cpu" in said


def test_a_full_disk_while_saving(refused, tmp_path, corpus, monkeypatch):
    """The second checkpoint does not fit; the first is as it was, and nothing half is left."""
    saved = []

    def full(path: Path) -> None:
        if "update-00000004" in str(path):
            path.write_bytes(path.read_bytes()[:10])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        saved.append(path)
        sync(path)

    sync = atomic._sync
    monkeypatch.setattr(atomic, "_sync", full)
    run = tmp_path / "run"
    line = refused("train", run, "--corpus", corpus, *SMALL)
    assert "No space left on device" in line
    assert saved
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["update-00000002"]
    assert read_checkpoint(run / "checkpoints" / "update-00000002").position.update == 2


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (IndexError("token id 9 is not in [0, 5)"), "token id 9 is not in [0, 5)"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "a.txt"), "a.txt: Permission denied"),
        (MemoryError("Unable to allocate 9 TiB"), "not enough memory: Unable to allocate 9 TiB"),
        (ModuleNotFoundError("x", name="torch._C"), "pip install -e '.[torch]'"),
        (ModuleNotFoundError("x", name="hypothesis"), "pip install -e '.[verify]'"),
    ],
)
def test_other_errors_are_one_line_too(refused, monkeypatch, error, said):
    monkeypatch.setattr(cli_main, "_run", lambda arguments: raise_(error))
    assert said in refused("verify")


def test_a_mistake_of_ours_keeps_its_traceback(npformer, monkeypatch):
    monkeypatch.setattr(cli_main, "_run", lambda arguments: raise_(KeyError("bug")))
    with pytest.raises(KeyError):
        npformer("verify")


def test_an_interruption_is_told_from_an_error(npformer, monkeypatch):
    monkeypatch.setattr(cli_main, "_run", lambda arguments: raise_(KeyboardInterrupt()))
    ended = npformer("verify")
    assert (ended.status, ended.err) == (130, "npformer: interrupted\n")


def raise_(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        (
            {"x": np.array([[1.0, np.nan]]), "weight": np.ones(2), "bias": np.ones(2)},
            "'x' holds NaN",
        ),
        ({"x": np.ones((1, 2)), "weight": np.ones(2)}, "needs the argument 'bias'"),
        ({"x": np.ones((1, 2)), "wieght": np.ones(2)}, "did you mean 'weight'"),
        ({"x": np.ones((1, 2)), "weight": np.ones(3), "bias": np.ones(2)}, "refuses these arrays"),
    ],
)
def test_arrays_that_no_oracle_can_judge(refused, tmp_path, arrays, said):
    np.savez(tmp_path / "case.npz", **arrays)
    line = refused("verify", "--component", "layer_norm", "--arrays", tmp_path / "case.npz")
    assert said in line


def test_arrays_from_a_file_that_is_none(refused, tmp_path):
    file = tmp_path / "case.npz"
    assert "No such file" in refused("verify", "--component", "relu", "--arrays", file)
    file.write_text("no archive")
    assert "np.savez" in refused("verify", "--component", "relu", "--arrays", file)
    np.savez(file, x=np.ones(2))
    assert "one --component" in refused("verify", "--arrays", file)
    assert "is a module" in refused("verify", "--component", "Linear", "--arrays", file)


@pytest.fixture
def without(monkeypatch):
    """Hides installed packages from those who ask whether they are there."""

    def hide(*packages: str) -> None:
        monkeypatch.setattr(
            "npformer.errors.find_spec", lambda name: None if name in packages else find_spec(name)
        )

    return hide


@pytest.mark.parametrize(
    ("command", "hidden", "extra"),
    [
        (("train", "--engine", "torch"), "torch", "torch"),
        (("baseline",), "torch", "marian"),
        (("baseline",), "transformers", "marian"),
    ],
)
def test_what_a_run_needs_at_its_end_is_missed_before_it_begins(
    refused, without, tmp_path, command, hidden, extra
):
    without(hidden)
    name, *options = command
    said = refused(name, tmp_path / "run", *options, "--corpus", tmp_path / "no corpus.tsv")
    assert f"needs {hidden}" in said and f"'.[{extra}]'" in said
    assert not (tmp_path / "run").exists()


def test_torch_ref_train_without_pytorch_is_one_line(capfd, without, tmp_path):
    without("torch")
    assert torch_ref_train([str(tmp_path / "run")]) == 2
    said = capfd.readouterr().err
    assert "needs torch" in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--optim.beta3", "0.9"], "optim.beta3 has no effect on adam; it is for ademamix"),
        (
            ["--optim.name", "sgd", "--optim.muon-momentum", "0.9"],
            "optim.muon_momentum has no effect on sgd; it is for muon",
        ),
        (
            ["--model", "gpt", "--model.layers", "2", "--model.window", "4"]
            + ["--model.window-pattern", "LLG"],
            "window_pattern is 'LLG', 3 letters for 2 layers: the model reads 'LL' alone",
        ),
        (
            ["--model", "gpt", "--model.delta-pattern", "S", "--model.value-norm"],
            "value_norm is True, and there is no layer whose attention it would change",
        ),
    ],
)
def test_a_setting_without_effect_is_named(npformer, tmp_path, options, message):
    ended = npformer("train", str(tmp_path / "run"), "--pairs", "20", *options)
    assert ended.status == 2
    assert message in ended.err
    assert not (tmp_path / "run").exists()


def test_a_sweep_names_an_option_without_effect(npformer, tmp_path):
    over = ["--over", "optim.beta3=0.9,0.99"]
    ended = npformer("sweep", str(tmp_path / "sweep"), *over, "--pairs", "20")
    assert ended.status == 2
    assert "optim.beta3 has no effect on adam" in ended.err
