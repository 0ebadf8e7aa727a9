"""A run's directory as people use it: corpora that change, two trainings at once, which weights."""

from __future__ import annotations

import re
import shutil
import signal
import time

import pytest

from npformer.cli.main import main
from npformer.train.metrics import read_metrics
from npformer.train.run_directory import checkpoints
from tests.cli.conftest import SMALL
from tests.forked import Fork


@pytest.fixture
def run(trained, corpus, tmp_path):
    """A copy of the finished run, and of the corpus that it was trained on."""
    shutil.copytree(trained, tmp_path / "run")
    shutil.copy(corpus, tmp_path / "pairs.tsv")
    return tmp_path / "run"


def test_what_was_passed_over_is_counted(npformer, tmp_path):
    rows = [f"yes {n}\tja" for n in range(30)]  # one of them is held out
    rows += [f"{n} dogs\t{n} Hunde" for n in range(9)] + ["no\t", " \tnein"]
    rows += [f"very {'very ' * 9}big {n}\tgroß {n}" for n in range(3)]
    (tmp_path / "pairs.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    ended = npformer("train", tmp_path / "run", "--corpus", tmp_path / "pairs.tsv", *SMALL)
    assert ended.status == 0
    counts = re.match(
        r"(\d+) training pairs \((\d+) more passed over: (\d+) share a sentence with validation, "
        r"2 have an empty side, (\d+) are longer than 24 tokens\), (\d+) validation pairs?",
        ended.out,
    )
    assert counts, ended.out
    kept, over, shared, long, validation = map(int, counts.groups())
    assert over == shared + 2 + long and shared == 29 and long
    assert kept + over + validation == len(rows)


def test_the_end_says_which_checkpoint_to_use_and_why(npformer, run, tmp_path, corpus):
    ended = npformer("train", run, "--resume", "--updates", 6)
    assert ended.status == 0
    found = re.search(r"^recommended  (\S+) +the .*, validation loss (\S+)", ended.out, re.M)
    assert found, ended.out
    others = re.findall(r"^or           \S+ +the .*, validation loss (\S+)", ended.out, re.M)
    assert others and all(float(found[2]) <= float(loss) for loss in others)
    assert "\nbecause      no other has a lower validation loss" in ended.out
    why = re.escape(f"{found[1]} (the ") + r".*, validation loss .*, the lowest of \d\)"
    said = npformer("translate", run, "7 dogs.").err
    assert re.fullmatch(f"npformer: translated by {why}\n", said)
    assert npformer("translate", found[1], "7 dogs.").err == ""
    page = tmp_path / "page.html"
    along = ["--target", "7 Hunde.", "--out"]
    for words in (
        ["evaluate", run],
        ["attention", run, "7 dogs.", *along, tmp_path],
        ["explore", "--checkpoint", run, "--text", "7 dogs.", *along, page],
    ):
        ended = npformer(*words)
        assert re.search(f"(model is|translated by) {why}", ended.out) and ended.err == ""


def test_evaluate_scores_the_pairs_of_then_and_says_that_the_corpus_is_another(
    npformer, tmp_path, corpus
):
    pairs = tmp_path / "pairs.tsv"
    shutil.copy(corpus, pairs)
    run = tmp_path / "run"
    assert npformer("train", run, "--corpus", pairs, *SMALL).status == 0
    before = npformer("evaluate", run, "--samples", 1)
    pairs.write_text("".join(f"{n} men\t{n} Männer\tmen\n" for n in range(50)), encoding="utf-8")
    after = npformer("evaluate", run, "--samples", 1)
    assert (before.status, before.err, after.status) == (0, "", 0)
    assert after.out == before.out
    assert after.err.startswith(f"npformer: warning: {pairs} has changed since training (")
    pairs.unlink()
    assert npformer("evaluate", run, "--samples", 1) == before


def test_resuming_refuses_another_corpus_and_takes_a_moved_one(
    npformer, refused, run, tmp_path, corpus
):
    other = tmp_path / "other.tsv"
    other.write_text("".join(f"{n} men\t{n} Männer\tmen\n" for n in range(30)), encoding="utf-8")
    said = refused("train", run, "--resume", "--updates", 6, "--corpus", other)
    assert f"training pairs of {other} are not those of {run}/checkpoints/update-00000004" in said
    moved = tmp_path / "pairs.tsv"
    ended = npformer("train", run, "--resume", "--updates", 6, "--corpus", moved)
    assert (ended.status, ended.err) == (0, "")


def test_the_corpus_of_the_training_is_no_test(npformer, trained, corpus):
    ended = npformer("evaluate", trained, "--corpus", corpus, "--limit", 2, "--samples", 0)
    assert ended.status == 0
    assert f"{corpus} is what the model was trained on" in ended.err


def test_two_runs_into_one_directory(tmp_path, refused, corpus):
    run = tmp_path / "both"
    words = ["train", str(run), "--corpus", str(corpus), *SMALL, "--checkpoint-every", "5000"]
    fork = Fork(lambda: main([*words, "--updates", "5000"]), tmp_path)
    try:
        while not read_metrics(run / "metrics.jsonl"):
            assert fork.poll() is None
            time.sleep(0.01)
        for more in (["--seed", "7"], ["--seed", "0"]):
            said = refused(*words, *more)
            assert f"at work on the run in {run}: process {fork.pid} on " in said
    finally:
        fork.send_signal(signal.SIGINT)
    assert fork.ended().result == 130
    lines = [line["update"] for line in read_metrics(run / "metrics.jsonl") if "loss" in line]
    assert lines == list(range(1, len(lines) + 1))
    assert list(checkpoints(run)) == [len(lines)]
    assert "already holds a run" in refused(*words)


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_again(npformer, tmp_path, corpus):
    run = tmp_path / "run"
    words = ["train", str(run), "--corpus", str(corpus), *SMALL]
    fork = Fork(lambda: main([*words, "--updates", "5000", "--checkpoint-every", "5000"]), tmp_path)
    while not read_metrics(run / "metrics.jsonl"):
        assert fork.poll() is None
        time.sleep(0.01)
    fork.send_signal(signal.SIGKILL)
    fork.ended()
    assert (run / "lock").exists()
    ended = npformer(*words)
    assert ended.status == 0 and "it begins again" in ended.out
    assert list(checkpoints(run)) == [2, 4] and not (run / "lock").exists()


def test_a_run_whose_weights_were_deleted_is_not_overwritten(refused, run, corpus):
    shutil.rmtree(run / "checkpoints")
    words = ["train", run, "--corpus", corpus, *SMALL]
    assert "already holds a run" in refused(*words)
    shutil.rmtree(run / "averaged")
    assert "whose checkpoints were deleted" in refused(*words)
