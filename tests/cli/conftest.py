"""A command line in this process, and a run so small that it takes about a second."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from npformer.cli.main import main
from tests.extras import skip_if_not_installed

PAIRS = [
    (f"{number} {english}.", f"{number} {german}.", english)
    for number in range(10)
    for english, german in (("dogs", "Hunde"), ("cats", "Katzen"), ("trees", "Bäume"))
]
SMALL = (
    *("--model.d-model", "8", "--model.heads", "2", "--model.d-ff", "8"),
    *("--model.encoder-layers", "1", "--model.decoder-layers", "1", "--model.max-length", "24"),
    *("--max-length", "24", "--batch-tokens", "400", "--tokenizer", "char", "--updates", "4"),
    *("--checkpoint-every", "2", "--validate-every", "4", "--validation-pairs", "2"),
)


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


@pytest.fixture
def npformer(capfd):
    """Runs ``npformer ARGUMENTS`` in this process.

    A command that asks for an extra which is not installed ends its test.
    """

    def run(*arguments: object) -> Ended:
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        ended = Ended(status, *capfd.readouterr())
        if wanted := re.search(r"(?:needs |No module named ')(\w+)", ended.err):
            skip_if_not_installed(wanted[1])
        return ended

    return run


@pytest.fixture
def refused(npformer):
    """Runs a command that must fail with status 2 and one line, and returns the line."""

    def run(*arguments: object) -> str:
        ended = npformer(*arguments)
        assert ended.status == 2, ended
        assert ended.err.startswith("npformer: ")
        assert ended.err.endswith("\n")
        assert ended.err.count("\n") == 1, ended.err
        assert "Traceback" not in ended.out
        return ended.err

    return run


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "pairs.tsv"
    path.write_text("".join("\t".join(pair) + "\n" for pair in PAIRS), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory, corpus) -> Path:
    """A finished run of a few updates; tests must leave it as it is."""
    path = tmp_path_factory.mktemp("runs") / "small"
    assert main(["train", str(path), "--corpus", str(corpus), *SMALL]) == 0
    return path
