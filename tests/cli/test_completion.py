"""``npformer completion``: what bash offers once it has read the script."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from npformer.cli.main import COMMANDS

ASK = """
source "$1"
COMP_WORDS=("${@:2}")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
"$(complete -p npformer | sed 's/.*-F \\([^ ]*\\).*/\\1/')"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    from npformer.cli.main import main

    path = tmp_path_factory.mktemp("shell") / "new" / "npformer"
    assert main(["completion", "bash", "--out", str(path)]) == 0
    return path


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["tra"], {"train", "translate"}),
        (["translate", "run", "--spl"], {"--splitter"}),
        (["translate", "run", "--splitter", ""], {"regex", "spacy"}),
        (["train", "run", "--optim.learn"], {"--optim.learning-rate"}),
        (["train", "run", "--model.he"], {"--model.heads"}),
    ],
)
def test_bash_completes(script, typed, offered):
    words = ["bash", "-c", ASK, "bash", str(script), "npformer", *typed]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    found = set(ended.stdout.split())
    assert offered <= found
    assert all(word.startswith(typed[-1]) for word in found)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_is_in_the_script(npformer, shell):
    ended = npformer("completion", shell)
    assert (ended.status, ended.err) == (0, "")
    assert all(f"'{name}': {{" in ended.out for name in COMMANDS)


def test_another_shell(refused):
    assert "choose one of bash, zsh, fish" in refused("completion", "tcsh")
