"""Ctrl-C as it is in a terminal, also where the suite was started in the background."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.cli.conftest import npformer  # noqa: F401  (a fixture)


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """A shell starts a background job with SIGINT ignored, and Python then leaves it so."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)
