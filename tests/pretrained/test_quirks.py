"""Every quirk of every family, switched wrongly: a bisection names the module."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from npformer.models import make_model
from npformer.pretrained import from_pretrained
from npformer.pretrained.families import families
from npformer.text.batches import Batch
from npformer.verify.bisect import Reference
from tests.pretrained.measure import quirks_of
from tests.pretrained.specimens import ENCODER_DECODERS, ENCODERS, SPECIMENS, SPEECH
from torch_ref.models import make_twin

PREDICTING = [name for name, (kind, _) in ENCODERS.items() if kind == "AutoModelForMaskedLM"]
NAMES = [*SPECIMENS, *PREDICTING, *ENCODER_DECODERS, *SPEECH]


def batch_for(model):
    """Of what the model reads: a text whole, or up to each next token, after a source or not."""
    rng = np.random.default_rng(0)
    ids = rng.integers(3, 42, (2, 10))
    read = {"target": ids[:, :-1] if model.decodes else ids}
    c = model.config
    if model.heard:
        read = {"audio": rng.standard_normal((2, c.mels, c.frames)), **read}
    if "source" in model.streams:
        read = {"source": rng.integers(3, 42, (2, 8)), **read}
    return Batch(read, ids[:, 1:] if model.decodes else ids)


@pytest.mark.parametrize("name", NAMES)
def test_a_bisection_names_the_module(published, name):
    found = from_pretrained(published(name)[1], np.float64)
    config, weights = found.model.config, found.model.state_dict()
    twin = make_twin(config, dtype=torch.float64)
    right = Reference(twin, batch_for(found.model), weights)
    assert right.judge(found.model).passed
    for quirk, settings, at in quirks_of(found.family, config):
        wrong = make_model(
            dataclasses.replace(config, **settings), rng=np.random.default_rng(0), dtype=np.float64
        )
        wrong.load_state_dict(weights)
        bisection = right.judge(wrong)
        assert bisection.activation is not None, quirk
        assert below(bisection.activation.path, at), (quirk, str(bisection))


def test_every_quirk_of_every_family_is_among_them(published):
    switched: dict[object, set[str]] = {}
    for name in NAMES:
        found = from_pretrained(published(name)[1])
        quirks = {quirk for quirk, _, _ in quirks_of(found.family, found.model.config)}
        switched.setdefault(found.family, set()).update(quirks)
    assert switched == {family: set(family.quirks) for family in families().values()}


def below(path: str, at: str) -> bool:
    """Whether ``path`` ends in the module ``at``, or in one of such a name, or is inside it."""
    return path == "" if at == "" else f"{at}." in f"{path}."
