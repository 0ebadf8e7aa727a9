"""Tiny published models on disk, each made once."""

from __future__ import annotations

import pytest

from tests.cli.conftest import corpus, npformer, refused  # noqa: F401  (fixtures)


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """The library's random model of a specimen, and the directory that it was saved in."""
    from tests.pretrained import library
    from tests.pretrained.specimens import SPECIMENS

    made = {}

    def make(name):
        if name not in made:
            model = library.random_model(SPECIMENS[name]())
            directory = library.saved(model, tmp_path_factory.mktemp(name))
            library.save_tokenizer(directory)
            made[name] = model, directory
        return made[name]

    return make
