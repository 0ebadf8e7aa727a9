"""`--help` teaches: every command, every option explained, an example that parses."""

from __future__ import annotations

import importlib
import re
import shlex

import pytest

from npformer.cli.arguments import options_of, parse
from npformer.cli.main import COMMANDS, main


def help_of(capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_the_front_page_names_every_command(npformer, arguments):
    ended = npformer(*arguments)
    assert ended.status == 0
    for name, summary in COMMANDS.items():
        assert re.search(rf"^  {name} +{summary}$", ended.out, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_explains_every_option(capsys, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "100")  # one column of options
    lines = [line.strip("│ ") for line in help_of(capsys, name).splitlines()]
    page = "\n".join(lines).partition("-h, --help")[2]
    options = re.split(r"^(?=--[a-z])", page, flags=re.MULTILINE)[1:]
    assert options
    for option in options:
        names = r"--[^\s,]+(?:, --[^\s,]+)*(?: [A-Z{]\S*)*"
        said = re.match(rf"{names}\s+(.*)", option.partition("(default")[0])
        assert said, option
        assert len(said[1]) > 10, f"{option!r} has no explanation"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_parse(capsys, monkeypatch, name):
    """What the help tells people to type is understood, with the options that it names."""
    page = help_of(capsys, name)
    examples = re.findall(rf"^ +(?:echo .* \| )?npformer {name}(.*)$", page, re.MULTILINE)
    assert examples
    command = importlib.import_module(f"npformer.cli.{name}").Command
    for example in examples:
        words = shlex.split(re.split(r" {3,}| > ", example)[0])
        if "--resume" in words:
            continue  # takes its settings from a run; test_train.py resumes one
        default = command.default(words) if hasattr(command, "default") else None
        assert parse(command, f"npformer {name}", words, default=default) is not None


def test_the_help_of_train_shows_the_defaults_of_the_preset(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")  # the words beside an option, or below it
    for preset, width in (("tiny", 128), ("small", 256), ("big", 1024)):
        page = help_of(capsys, "train", "--preset", preset)
        assert re.search(rf"--model\.d-model INT[^-]*\(default: {width}\)", page)


def test_the_version_is_told(npformer):
    assert re.fullmatch(r"npformer \d+\.\d+\.\d+\n", npformer("--version").out)


@pytest.mark.parametrize("columns", [60, 90])
@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_prose_is_as_wide_as_the_terminal(capsys, monkeypatch, name, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    if name:
        page = help_of(capsys, name)
    else:
        main([])
        page = capsys.readouterr().out
    prose = [row for row in page.splitlines() if not re.match(r"  +(npformer|echo) ", row)]
    assert max(map(len, prose)) <= columns


def test_what_is_wrapped_loses_no_word(capsys, monkeypatch):
    pages = []
    for columns in (60, 100):
        monkeypatch.setenv("COLUMNS", str(columns))
        pages.append(help_of(capsys, "exercise").partition("Examples:")[0].split())
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "r", "--optim.lr", "1"], "did you mean '--optim.learning-rate'?"),
        (["train", "r", "--lr=1"], "did you mean '--optim.learning-rate'?"),
        (["train", "r", "--learning_rate", "1"], "did you mean '--optim.learning-rate'?"),
        (["train", "r", "--d-model", "8"], "did you mean '--model.d-model'?"),
        (["train", "r", "--model.nheads", "2"], "did you mean '--model.heads'?"),
        (["train", "r", "--optim.updates", "8"], "did you mean '--updates'?"),
        (["train", "r", "--batch-size", "8"], "did you mean '--batch-tokens' or"),
        (["train", "r", "--optim.foo", "8"], "those of --optim are --optim.adjust-lr-fn,"),
        (["train", "r", "--qqqq", "8"], "npformer train --help lists them"),
        (["translate", "r", "--temp", "2"], "did you mean '--temperature'?"),
    ],
)
def test_an_option_that_is_suggested_exists(refused, words, said):
    line = refused(*words)
    assert said in line
    options = {f"--{name}" for name in OPTIONS.findall(line.partition("does not exist")[2])}
    page = all_options(words[0])
    assert options - {"--help"} <= page
    assert "--optim" not in page


OPTIONS = re.compile(r"--([\w.-]*\w)(?=['\",; ?]|$)(?! are)", re.MULTILINE)


def all_options(name: str) -> set[str]:
    command = importlib.import_module(f"npformer.cli.{name}").Command
    default = command.default([]) if hasattr(command, "default") else None
    return set(options_of(command, default))
