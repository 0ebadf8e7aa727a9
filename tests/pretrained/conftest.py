"""Tiny published models on disk, each made once."""

from __future__ import annotations

import pytest

from tests.cli.conftest import corpus, npformer, refused, trained  # noqa: F401  (fixtures)


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """The library's random model of a specimen, and the directory that it was saved in."""
    from tests.pretrained import library

    made = {}

    def make(name):
        if name not in made:
            made[name] = library.published(name, tmp_path_factory.mktemp(name))
        return made[name]

    return make
