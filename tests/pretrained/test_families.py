"""Of every family a random model of the library's: its logits and every gradient, in float64."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from npformer.pretrained import Pretrained, from_pretrained
from npformer.pretrained.load import Renamed
from npformer.pretrained.tensors import Exported
from tests.pretrained import library
from tests.pretrained.specimens import SPECIMENS

BATCH, LENGTH, VOCAB = 2, 11, 43
CLOSE = 1e-9


class Both(NamedTuple):
    theirs: Any
    ours: Pretrained
    ids: np.ndarray
    dlogits: np.ndarray


@pytest.fixture(scope="module", params=SPECIMENS)
def both(request, published) -> Both:
    model, path = published(request.param)
    rng = np.random.default_rng(0)
    ids = rng.integers(0, VOCAB, (BATCH, LENGTH))
    dlogits = rng.standard_normal((BATCH, LENGTH, VOCAB))
    return Both(model, from_pretrained(path, np.float64), ids, dlogits)


def test_logits_and_every_gradient_are_the_librarys(both):
    theirs, gradients = library.run(both.theirs, both.ids, both.dlogits)
    model = both.ours.model
    logits, cache = model.forward(both.ids)
    model.zero_grad()
    model.backward(both.dlogits, cache)
    assert apart(logits, theirs) < CLOSE
    entries = both.ours.family.entries(model.config)
    ours = Exported(entries, {path: p.grad for path, p in model.named_parameters()})
    theirs = Renamed(gradients, both.ours.family.own_names(list(gradients)))
    assert ours.keys() == theirs.keys()
    for name, gradient in ours.items():
        assert apart(gradient, theirs[name]) < CLOSE, name


def test_the_cache_goes_on_with_the_librarys_tokens(both):
    ids, new = both.ids[:, :5], 20  # past every window
    model = both.ours.model
    state = model.start()
    newest, found = ids, []
    for _ in range(new):
        newest = model.step(newest, state).argmax(axis=1)
        found.append(newest.tolist())
    assert [list(row) for row in zip(*found, strict=True)] == library.greedy(both.theirs, ids, new)


def apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest error, relative to the largest entry."""
    assert ours.shape == theirs.shape
    return float(abs(ours - theirs).max() / abs(theirs).max())
