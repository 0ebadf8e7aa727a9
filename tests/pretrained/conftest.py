"""Tiny published models on disk, each made once."""

from __future__ import annotations

import pytest

from tests.cli.conftest import corpus, npformer, refused  # noqa: F401  (fixtures)


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """The library's random model of a specimen, and the directory that it was saved in."""
    from tests.pretrained import library
    from tests.pretrained.specimens import ENCODER_DECODERS, ENCODERS, SPECIMENS

    every = {name: ("AutoModelForCausalLM", config) for name, config in SPECIMENS.items()}
    every |= ENCODERS
    every |= {name: ("AutoModelForSeq2SeqLM", config) for name, config in ENCODER_DECODERS.items()}
    made = {}

    def make(name):
        if name not in made:
            kind, config = every[name]
            model = library.random_model(config(), kind=kind)
            if name == "t5-1.1":
                library.untie(model)
            directory = library.saved(model, tmp_path_factory.mktemp(name))
            library.save_tokenizer(directory)
            made[name] = model, directory
        return made[name]

    return make
