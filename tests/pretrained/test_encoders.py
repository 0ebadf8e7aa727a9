"""Encoders of the library's: logits or vectors, and every gradient, in float64 and float32."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from npformer.pretrained import Pretrained, from_pretrained
from npformer.pretrained.load import Renamed
from npformer.pretrained.tensors import Exported
from tests.pretrained import library
from tests.pretrained.measure import check_equal, named, of_numpy, rounding
from tests.pretrained.specimens import ENCODERS

PREDICTING = [name for name, (kind, _) in ENCODERS.items() if kind == "AutoModelForMaskedLM"]
TYPED = ("bert", "minilm")


class Both(NamedTuple):
    name: str
    model: Any
    path: Any
    ours: Pretrained
    ids: np.ndarray
    shown: np.ndarray
    inputs: dict[str, np.ndarray]
    """What the library's model takes besides the ids."""


def texts(name: str, padding: int, *, left: bool = False) -> tuple[np.ndarray, dict[str, Any]]:
    rng = np.random.default_rng(0)
    ids = rng.integers(3, 42, (3, 9))
    shown = np.arange(9) < np.array([[9], [6], [2]])
    shown = shown[:, ::-1].copy() if left else shown
    ids = np.where(shown, ids, padding)
    inputs = {"attention_mask": shown.astype(np.int64)}
    if name in TYPED:
        inputs["token_type_ids"] = rng.integers(0, 2, ids.shape)
    return ids, inputs


def loaded(published, name: str, *, left: bool = False) -> Both:
    model, path = published(name)
    ours = from_pretrained(path, np.float64)
    ids, inputs = texts(name, ours.model.config.padding_id, left=left)
    return Both(name, model, path, ours, ids, inputs["attention_mask"] != 0, inputs)


def of_library(both: Both, model: Any, dlogits: np.ndarray, **more: Any) -> Any:
    inputs = {**both.inputs, **more}
    logits, gradients = library.run_to(
        lambda out: out.logits, model, dlogits, input_ids=both.ids, **inputs
    )
    names = both.ours.family.own_names(list(gradients))
    return logits[both.shown], dict(Renamed(gradients, names))


def of_ours(both: Both, found: Pretrained, dlogits: np.ndarray) -> Any:
    types = both.inputs.get("token_type_ids")
    logits, gradients = of_numpy(found, both.ids, dlogits, types=types)
    return logits[both.shown], gradients


@pytest.fixture(params=PREDICTING)
def both(request, published) -> Both:
    return loaded(published, request.param)


def upstream(both: Both) -> np.ndarray:
    """Of the logits, nothing at padding."""
    rng = np.random.default_rng(1)
    return rng.standard_normal((*both.ids.shape, 43)) * both.shown[:, :, None]


def test_logits_and_every_gradient_are_the_librarys(both):
    dlogits = upstream(both)
    check_equal(of_ours(both, both.ours, dlogits), of_library(both, both.model, dlogits))


@pytest.mark.parametrize("name", PREDICTING)
def test_padding_may_be_on_the_left(published, name):
    """A text is what it is alone; of the library's models BERT's has to be told the positions."""
    both = loaded(published, name, left=True)
    dlogits = upstream(both)
    at = np.maximum(both.shown.cumsum(axis=1) - 1, 0)
    more = {"position_ids": at} if name == "bert" else {}
    check_equal(of_ours(both, both.ours, dlogits), of_library(both, both.model, dlogits, **more))


def test_float32_is_as_exact_as_the_librarys(both):
    dlogits = upstream(both)
    exact = of_library(both, both.model, dlogits)
    found = from_pretrained(both.path, np.float32)
    ours = of_ours(both, found, dlogits.astype(np.float32))
    narrow = library.narrow(both.path, "AutoModelForMaskedLM")
    assert ours[0].dtype == np.float32
    assert rounding(ours, exact) < 2 * rounding(of_library(both, narrow, dlogits), exact)


def test_a_vector_is_the_mean_of_the_librarys_states(published):
    """As MiniLM is used: the mean over the mask, and then length 1, with every gradient."""
    both = loaded(published, "minilm")
    shown = torch.from_numpy(both.shown)

    def vectors(out: Any) -> torch.Tensor:
        states = out.last_hidden_state * shown[..., None]
        mean = states.sum(1) / shown.sum(1, keepdim=True)
        return torch.nn.functional.normalize(mean, dim=1)

    dvectors = np.random.default_rng(2).standard_normal((3, 24))
    theirs = library.run_to(vectors, both.model, dvectors, input_ids=both.ids, **both.inputs)
    model = both.ours.model
    ours, cache = model.encode(both.ids, types=both.inputs["token_type_ids"])
    model.encode_backward(dvectors, cache)
    gradients = {path: parameter.grad for path, parameter in model.named_parameters()}
    check_equal((ours, named(both.ours, gradients)), theirs)


@pytest.mark.parametrize("name", ENCODERS)
def test_what_is_exported_is_what_was_loaded(published, name, tmp_path):
    """The numbers that are read; rows of positions that nothing reads are 0."""
    both = loaded(published, name)
    family, model = both.ours.family, both.ours.model
    exported = Exported(family.entries(model.config), model.state_dict())
    theirs = {name: both.ours.source.tensors[name] for name in both.ours.source.tensors}
    names = family.own_names(list(theirs))
    for own in exported:
        before = theirs[names[own]]
        unread = len(before) - model.config.max_length if "position_emb" in own else 0
        assert np.array_equal(exported[own][unread:], before[unread:]), own
    ignored = names.keys() - set(exported)
    assert all(own.startswith("pooler.") for own in ignored), ignored
