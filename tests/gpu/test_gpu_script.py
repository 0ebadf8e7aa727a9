"""The script for a GPU: its command lines are understood, and it goes on after a failure."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from npformer.cli.arguments import parse
from npformer.cli.train import Command as Train
from tests.gpu import __main__ as script
from tests.gpu import decoding


@pytest.mark.parametrize("sizes", [script.GPU, script.SMALL])
def test_every_command_line_is_understood(sizes, tmp_path):
    seen = set()
    for stage in script.stages(tmp_path, "grammar", sizes):
        _, module, *arguments = stage.arguments
        if module == "npformer":
            name, *arguments = arguments
            command = importlib.import_module(f"npformer.cli.{name}").Command
        elif module == "torch.distributed.run":
            name, command = module, Train
            arguments = arguments[arguments.index("torch_ref.train") + 1 :]
        else:
            continue
        seen.add(name)
        default = command.default(arguments) if hasattr(command, "default") else None
        parsed = parse(command, name, arguments, default=default)
        if name == "bench":
            assert parsed.bench.baselines and parsed.bench.device == sizes.twin[1]
    assert seen == {"plan", "bench", "train", "evaluate", "torch.distributed.run"}


def test_a_stage_that_fails_is_told_and_one_that_takes_too_long_is_ended(tmp_path, monkeypatch):
    stages = [
        script.Stage("fails", ("-c", "print('why'); raise SystemExit(3)")),
        script.Stage("waits", ("-c", "import time; time.sleep(60)"), 0.005),
    ]
    monkeypatch.setattr(script, "stages", lambda *given: stages)
    script.main([str(tmp_path / "run"), "--device", "cpu"])
    report = Path(tmp_path / "run" / "report.md").read_text()
    assert "## fails" in report and "exit status 3" in report and "why" in report
    assert "KeyboardInterrupt" in report.partition("## waits")[2]


def test_static_steps_write_what_plain_ones_do(capsys):
    assert decoding.main("tiny", "cpu") == 0
    assert capsys.readouterr().out.count("the same tokens") == 2
