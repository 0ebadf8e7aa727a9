"""Models that hear: logits and every gradient, what is written, and files."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import transformers

from npformer import decode
from npformer.decode.transcriber import Transcriber
from npformer.errors import ConfigError
from npformer.pretrained import Pretrained, from_pretrained
from npformer.pretrained.load import Renamed
from npformer.pretrained.run import generation_of
from npformer.text.batches import Batch
from npformer.train.engines import load_model
from npformer.verify.bisect import Reference
from npformer.verify.lockstep.plant import plant
from npformer.verify.mutants import MUTANTS
from tests.pretrained import library
from tests.pretrained.measure import check_equal, named, rounding
from tests.pretrained.specimens import SPEECH
from torch_ref.models import make_twin

KIND = "AutoModelForSpeechSeq2Seq"
BEAM = functools.partial(decode.beam, beam=3, alpha=0.0)


class Both(NamedTuple):
    model: Any
    path: Any
    ours: Pretrained
    audio: np.ndarray
    target: np.ndarray
    dlogits: np.ndarray


@pytest.fixture(params=SPEECH)
def both(request, published) -> Both:
    return loaded(published, request.param)


def loaded(published: Callable[[str], Any], name: str) -> Both:
    model, path = published(name)
    ours, rng = from_pretrained(path, np.float64), np.random.default_rng(0)
    c = ours.model.config
    audio = rng.standard_normal((3, c.mels, c.frames))
    target = rng.integers(3, 41, (3, 6))
    return Both(model, path, ours, audio, target, rng.standard_normal((3, 6, c.vocab_size)))


def of_numpy(both: Both, found: Pretrained, dtype: Any = np.float64) -> Any:
    model = found.model
    logits, cache = model.forward(both.audio.astype(dtype), both.target)
    for parameter in model.parameters():
        parameter.grad = None
    model.backward(both.dlogits.astype(dtype), cache)
    return logits, named(found, {path: p.grad for path, p in model.named_parameters()})


def of_library(both: Both, model: Any, dtype: Any = np.float64) -> Any:
    logits, gradients = library.run_to(
        lambda out: out.logits,
        model,
        both.dlogits,
        input_features=both.audio.astype(dtype),
        decoder_input_ids=both.target,
        use_cache=False,
    )
    return logits, dict(Renamed(gradients, both.ours.family.own_names(list(gradients))))


def test_logits_and_every_gradient_are_the_librarys(both):
    ours, theirs = of_numpy(both, both.ours), of_library(both, both.model)
    check_equal(ours, theirs)
    assert "encoder.embed_positions.weight" not in theirs[1]  # it is never trained
    assert {"encoder.conv1.weight", "encoder.conv2.bias"} <= theirs[1].keys()


def test_the_sound_has_the_librarys_gradient(both):
    logits, cache = both.ours.model.forward(both.audio, both.target)
    daudio = both.ours.model.backward(both.dlogits, cache)
    sound = torch.from_numpy(both.audio).requires_grad_()
    with library.exact():
        y = both.model(input_features=sound, decoder_input_ids=torch.from_numpy(both.target))
        y.logits.backward(torch.from_numpy(both.dlogits))
    assert sound.grad is not None
    assert abs(daudio - sound.grad.numpy()).max() < 1e-12 * abs(daudio).max()


def test_float32_is_as_exact_as_the_librarys(both):
    exact, narrow = of_library(both, both.model), library.narrow(both.path, KIND)
    ours = of_numpy(both, from_pretrained(both.path), np.float32)
    assert ours[0].dtype == np.float32
    assert rounding(ours, exact) < 2 * rounding(of_library(both, narrow, np.float32), exact)


def transcriber(both: Both, said: dict[str, Any], **more: Any) -> Transcriber:
    return Transcriber(both.ours.model, both.ours.tokenizer(), {**MARKS, **said}, **more)


# The library takes every id above no_timestamps_token_id for a time, so it is the last one; it may
# write that itself, which a search here never does, for it begins the text.
MARKS = dict(
    eos_token_id=0, decoder_start_token_id=1, no_timestamps_token_id=42, suppress_tokens=[22, 42],
    begin_suppress_tokens=[37, 0], forced_decoder_ids=[[1, 5]],
)  # fmt: skip
MANY = dict(
    forced_decoder_ids=None, is_multilingual=True,
    lang_to_id={"<|en|>": 7, "<|de|>": 8, "<|fr|>": 9},
    task_to_id={"transcribe": 10, "translate": 11},
)  # fmt: skip
SAID: dict[str, dict[str, Any]] = {
    "English alone": {},
    "nothing suppressed": {"suppress_tokens": [42], "begin_suppress_tokens": []},
    "a space and the end are no first token": {"suppress_tokens": [42]},
    "what begins is in the config of old": {"forced_decoder_ids": [[1, 5], [2, 11], [3, 42]]},
    "a language that is told": {**MANY, "task": "transcribe"},
    "a language that is given": {**MANY, "task": "translate", "language": "de"},
}


def generated(both: Both, said: dict[str, Any], beams: int, new: int) -> list[list[int]]:
    """What the library's own generation writes, up to the end."""
    config = type(both.model.generation_config)()
    for name, value in {**MARKS, "pad_token_id": 0, **said}.items():
        setattr(config, name, value)
    with library.exact(), torch.no_grad():
        rows = both.model.generate(
            torch.from_numpy(both.audio),
            generation_config=config,
            do_sample=False,
            num_beams=beams,
            length_penalty=0.0,
            max_new_tokens=new,
            return_timestamps=False,
        ).tolist()
    return [row[: row.index(0)] if 0 in row else row for row in rows]


@pytest.mark.parametrize("name", SAID)
def test_greedy_decoding_writes_the_librarys_tokens(both, name):
    said = SAID[name]
    expected = generated(both, said, 1, 12)
    assert len({token for row in expected for token in row}) > 2
    ours = transcriber(
        both, said, language=said.get("language"), task=said.get("task") or "transcribe"
    )
    assert [row[:12] for row in ours.tokens(both.audio)] == expected
    if "lang_to_id" in said:
        assert ours.language in ("en", "de", "fr")


@pytest.mark.parametrize("name", ["English alone", "a language that is told"])
def test_beam_search_writes_the_librarys_tokens(both, name):
    """Of twelve tokens each: where hypotheses end, the two keep different numbers of others."""
    said = {**SAID[name], "suppress_tokens": [0, 22, 42]}
    expected = generated(both, said, 3, 12)
    ours = transcriber(both, said)
    assert ours.tokens(both.audio, search=BEAM, max_length=12) == expected


@pytest.mark.parametrize(
    ("said", "more", "named"),
    [
        ({}, {"language": "de"}, "English alone"),
        (MANY, {"language": "xx"}, "it knows en, de, fr"),
        ({}, {"task": "translate"}, "does not translate"),
        ({"decoder_start_token_id": None}, {}, "decoder_start_token_id"),
    ],
)
def test_what_a_model_cannot_write_is_refused(both, said, more, named):
    with pytest.raises(ConfigError, match=named):
        transcriber(both, said, **more)


MISTAKES = {
    "the weight turned round": ("conv1d/weight-turned", "conv1"),
    "all padding before the sound": ("Conv1d/padding-before", "conv2"),
    "no stride": ("Conv1d/stride-not-handed-on", "conv2"),
    "frames and bands reshaped": ("Whisper/sound-reshaped", ""),
    "the front's GELU by tanh": ("Whisper/front-by-tanh", ""),
    "strides swapped": ("Whisper/strides-swapped", ""),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_bisection_names_what_is_wrong_with_the_front(both, name):
    mutant, path = MISTAKES[name]
    model = both.ours.model
    twin = make_twin(model.config, dtype=torch.float64)
    batch = Batch({"audio": both.audio, "target": both.target[:, :-1]}, both.target[:, 1:])
    reference = Reference(twin, batch, model.state_dict())
    assert reference.judge(model).passed
    with plant(MUTANTS[mutant], model, path):
        found = reference.judge(model)
    assert found.activation is not None
    assert path in found.activation.path, str(found)
    if not path:
        assert found.activation.path in ("", "conv1", "activation1"), str(found)


def test_what_is_exported_loads_again(both, npformer, tmp_path):
    """In the library: the same tensors, the table that is never trained among them."""
    ended = npformer("load", both.path, tmp_path / "run", "--dtype", "float64")
    assert ended.status == 0, ended.err
    assert "npformer transcribe" in ended.out
    ended = npformer("export", tmp_path / "run", tmp_path / "exported")
    assert ended.status == 0, ended.err
    again = getattr(transformers, KIND).from_pretrained(
        tmp_path / "exported", dtype=torch.float64, attn_implementation="eager"
    )
    before, after = both.model.state_dict(), again.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_both_engines_write_the_same(both, npformer, tmp_path):
    ended = npformer("load", both.path, tmp_path / "run", "--dtype", "float64")
    assert ended.status == 0, ended.err
    written = []
    for engine in ("numpy", "torch"):
        loaded = load_model(tmp_path / "run", engine)
        said = {**generation_of(loaded.checkpoint), **MARKS}
        written.append(Transcriber(loaded.model, loaded.tokenizer, said).tokens(both.audio))
    assert written[0] == written[1]
