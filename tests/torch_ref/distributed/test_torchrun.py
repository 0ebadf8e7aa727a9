"""torchrun itself: two processes, of which one is killed, and a restart that loses nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from npformer.train.checkpoint import read_checkpoint
from npformer.train.run_directory import checkpoint_path

SCRIPT = Path(__file__).with_name("dies_once.py")
ROOT = Path(__file__).resolve().parents[3]
OPTIONS = """--pairs 60 --tokenizer word --vocab-size 100 --batch-tokens 100 --updates 10
    --checkpoint-every 5 --validation-pairs 0 --validate-every 10 --device cpu --timeout 60
    --model.d-model 8 --model.heads 2 --model.d-ff 8 --model.encoder-layers 1
    --model.decoder-layers 1""".split()


def test_torchrun_restarts_the_ranks_and_they_go_on(tmp_path):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "--max-restarts", "1", str(SCRIPT), str(run), *OPTIONS]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr
    lost = [line for line in ended.stderr.splitlines() if line.startswith("npformer: ")]
    assert len(lost) <= 1  # torchrun may be the quicker one to end rank 0
    assert all("rank 0 lost the others" in line for line in lost)
    assert ended.stdout.count("PyTorch on 2 ranks (ddp)") == 2
    assert ended.stdout.count("10 updates") == 1
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    assert [line["update"] for line in lines if "loss" in line] == [*range(1, 11)]
    assert read_checkpoint(checkpoint_path(run, 10)).position.update == 10
