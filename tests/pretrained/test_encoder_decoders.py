"""Encoder-decoders of the library's: logits and every gradient, greedy and beam, files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from npformer.decode import beam, greedy
from npformer.pretrained import Pretrained, from_pretrained
from npformer.pretrained.load import Renamed
from npformer.pretrained.tensors import Exported
from tests.pretrained import library
from tests.pretrained.measure import check_equal, named, rounding
from tests.pretrained.specimens import ENCODER_DECODERS

BUFFER = "final_logits_bias"
"""No parameter of the library's: its gradient is what a sum over rows says."""


class Both(NamedTuple):
    model: Any
    path: Any
    ours: Pretrained
    source: np.ndarray
    target: np.ndarray
    dlogits: np.ndarray


@pytest.fixture(params=ENCODER_DECODERS)
def both(request, published) -> Both:
    return loaded(published, request.param)


def loaded(published: Callable[[str], Any], name: str) -> Both:
    model, path = published(name)
    ours = from_pretrained(path, np.float64)
    rng = np.random.default_rng(0)
    source, target = rng.integers(3, 41, (3, 8)), rng.integers(3, 41, (3, 6))
    source[1, 5:] = ours.model.config.padding_id
    target[:, 0] = model.config.decoder_start_token_id
    return Both(model, path, ours, source, target, rng.standard_normal((3, 6, 43)))


def of_numpy(both: Both, found: Pretrained, dlogits: np.ndarray) -> Any:
    model = found.model
    logits, cache = model.forward(both.source, both.target)
    for parameter in model.parameters():
        parameter.grad = None
    model.backward(dlogits, cache)
    return logits, named(found, {path: p.grad for path, p in model.named_parameters()})


def of_library(both: Both, model: Any) -> Any:
    shown = (both.source != both.ours.model.config.padding_id).astype(np.int64)
    logits, gradients = library.run_to(
        lambda out: out.logits,
        model,
        both.dlogits,
        input_ids=both.source,
        attention_mask=shown,
        decoder_input_ids=both.target,
        use_cache=False,
    )
    found = dict(Renamed(gradients, both.ours.family.own_names(list(gradients))))
    if both.ours.model.config.output_bias:
        found[BUFFER] = both.dlogits.sum(axis=(0, 1))[None]
    return logits, found


def test_logits_and_every_gradient_are_the_librarys(both):
    check_equal(of_numpy(both, both.ours, both.dlogits), of_library(both, both.model))


def test_padding_on_the_left_of_a_source_changes_nothing(both):
    """The library's positions of BART and Marian count its columns, so it has it on the right."""
    expected = of_library(both, both.model)
    left = both._replace(source=both.source.copy())
    left.source[1] = np.roll(both.source[1], 3)
    check_equal(of_numpy(left, both.ours, both.dlogits), expected)
    if both.ours.model.config.positions in ("t5", "sinusoidal_tensor2tensor"):
        check_equal(of_library(left, both.model), expected)
    c = both.model.config
    begun = {"bos": c.decoder_start_token_id, "eos": 10**6, "pad": c.pad_token_id}
    texts = [greedy(both.ours.model, side.source, max_length=6, **begun) for side in (both, left)]
    assert texts[0] == texts[1]


def test_float32_is_as_exact_as_the_librarys(both):
    exact = of_library(both, both.model)
    ours = of_numpy(both, from_pretrained(both.path), both.dlogits.astype(np.float32))
    theirs = of_library(both, library.narrow(both.path, "AutoModelForSeq2SeqLM"))
    assert ours[0].dtype == np.float32
    assert rounding(ours, exact) < 2 * rounding(theirs, exact)


def generated(both: Both, *, beams: int, end: int | None, new: int) -> list[list[int]]:
    """What the library's own generation writes, up to the end; padding is never chosen."""
    c, model = both.ours.model.config, both.model
    start = model.config.decoder_start_token_id
    banned = sorted({c.padding_id, start} - {end})
    shown = torch.from_numpy((both.source != c.padding_id).astype(np.int64))
    with library.exact(), torch.no_grad():
        whole = model.generate(
            torch.from_numpy(both.source),
            attention_mask=shown,
            do_sample=False,
            num_beams=beams,
            length_penalty=0.0,
            max_new_tokens=new,
            suppress_tokens=banned,
            eos_token_id=end,
            forced_eos_token_id=None,
            forced_bos_token_id=None,
            bad_words_ids=None,
        )
    rows = whole[:, 1:].tolist()
    return [row[: row.index(end)] if end in row else row for row in rows]


def marks(both: Both, end: int, new: int) -> dict[str, int]:
    c = both.ours.model.config
    start = both.model.config.decoder_start_token_id
    return {"bos": start, "eos": end, "pad": c.padding_id, "max_length": new}


def test_greedy_decoding_writes_the_librarys_tokens(both):
    free = generated(both, beams=1, end=None, new=12)
    end = free[0][7]  # so that a row ends before the others do
    expected = generated(both, beams=1, end=end, new=12)
    assert any(len(row) < 12 for row in expected)
    assert greedy(both.ours.model, both.source, **marks(both, end, 12)) == expected


def test_beam_search_writes_the_librarys_tokens(both):
    """Of twelve tokens each: where hypotheses end, the two keep different numbers of others."""
    expected = generated(both, beams=3, end=None, new=12)
    never = marks(both, 10**6, 12)
    assert beam(both.ours.model, both.source, beam=3, alpha=0.0, **never) == expected


def test_what_is_exported_loads_again(both, tmp_path):
    """In the library: the same logits; rows of positions that nothing reads are 0."""
    family, model = both.ours.family, both.ours.model
    exported = Exported(family.entries(model.config), model.state_dict())
    after = {family.file_name(name): exported[name] for name in exported}
    before = both.ours.source.tensors
    assert after.keys() == set(before)
    for name, tensor in after.items():
        unread = len(tensor) - model.config.max_length if "embed_positions" in name else 0
        assert np.array_equal(tensor[unread:], before[name][unread:]), name
