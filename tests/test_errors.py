"""What a message advises can be done: every extra exists, and one function writes the advice."""

from __future__ import annotations

import configparser
from pathlib import Path

from npformer.errors import EXTRAS, install, missing

ROOT = Path(__file__).resolve().parents[1]


def test_every_extra_that_is_advised_brings_its_package():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    for package, extra in EXTRAS.items():
        assert package in extras[extra]


def test_a_missing_package_is_named_with_the_command_that_brings_it():
    assert missing("optuna").endswith(install("sweep"))
    assert missing("torch", "verify").endswith("pip install -e '.[verify]'")


def test_nothing_else_writes_such_advice():
    """npformer is on no index: only an installation from the checkout works."""
    own = [path for package in ("npformer", "torch_ref") for path in (ROOT / package).rglob("*.py")]
    told = {str(path.relative_to(ROOT)) for path in own if "pip install" in path.read_text("utf-8")}
    assert told == {"npformer/errors.py"}
