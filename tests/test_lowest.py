"""The requirements that ``make test-lowest`` installs."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.lowest import SETUP, lowest

TEXT = """
[options]
install_requires =
    numpy>=2.0
    a-b>=1.0.16

[options.extras_require]
few =
    torch>=2.13
"""


def test_every_bound_becomes_a_version():
    assert lowest(TEXT) == ["numpy==2.0", "a-b==1.0.16"]
    assert lowest(TEXT, ["few"]) == ["numpy==2.0", "a-b==1.0.16", "torch==2.13"]


def test_an_extra_that_does_not_exist_and_a_requirement_without_a_bound():
    with pytest.raises(KeyError, match="many"):
        lowest(TEXT, ["many"])
    with pytest.raises(ValueError, match="'torch==2' is not of the form name>=version"):
        lowest(TEXT.replace("torch>=2.13", "torch==2"), ["few"])


def test_the_command_prints_what_the_makefile_hands_to_pip():
    ran = subprocess.run(
        [sys.executable, "-m", "tests.lowest", "test-numpy"],
        capture_output=True,
        text=True,
        check=True,
        cwd=SETUP.parent,
    )
    lines = ran.stdout.splitlines()
    assert {line.partition("==")[0] for line in lines} >= {"numpy", "tyro", "pytest", "hypothesis"}
    assert all(re.fullmatch(r"[\w-]+==\d[\w.]*", line) for line in lines)
    assert not any(line.startswith("torch") for line in lines)
