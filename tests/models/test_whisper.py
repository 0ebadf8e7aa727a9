"""The model that hears: its front, its table, and what records, bisects and refuses it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from npformer.cards.module_draws import draw_parameters
from npformer.errors import ConfigError, ShapeError
from npformer.inspect import record
from npformer.models import families, family_of_texts
from npformer.models.whisper import Whisper, WhisperConfig
from npformer.text.batches import Batch

CONFIG = WhisperConfig(
    vocab_size=11, d_model=8, heads=2, d_ff=9, encoder_layers=1, decoder_layers=1, max_length=6,
    mels=3, audio_length=5, dropout=0.0,
)  # fmt: skip
RNG = np.random.default_rng(0)
AUDIO, IDS = RNG.standard_normal((2, 3, 10)), RNG.integers(1, 11, (2, 5))
BATCH = Batch({"audio": AUDIO, "target": IDS[:, :-1]}, IDS[:, 1:])


def model(**changes):
    made = Whisper(
        dataclasses.replace(CONFIG, **changes), rng=np.random.default_rng(0), dtype=np.float64
    )
    made.load_state_dict(draw_parameters(made, np.random.default_rng(1), np.float64))
    return made


def twin_of(one):
    torch = pytest.importorskip("torch")
    from torch_ref.bridge import to_torch
    from torch_ref.models import make_twin

    twin = make_twin(one.config, dtype=torch.float64)
    to_torch(one.state_dict(), twin)
    return twin


def test_two_frames_are_a_position_and_an_odd_one_is_too():
    one = model()
    for frames in (10, 9, 8, 7, 2, 1):
        logits, cache = one.forward(AUDIO[:, :, :1].repeat(frames, axis=2), IDS)
        assert cache.front.conv2.windows.shape[1] == (frames + 1) // 2
        assert one.backward(np.ones_like(logits), cache).shape == (2, 3, frames)


def test_the_encoders_table_is_sines_and_cosines_and_stays():
    """Of column 0 the angle is the position itself, of the last one a ten thousandth of it."""
    one = Whisper(CONFIG, rng=np.random.default_rng(0), dtype=np.float64)
    table = one.audio_positions.weight.data.copy()
    place = np.arange(5)
    assert abs(table[:, 0] - np.sin(place)).max() < 1e-12
    assert abs(table[:, 7] - np.cos(place / 10_000)).max() < 1e-12
    logits, cache = one.forward(AUDIO, IDS)
    one.backward(np.ones_like(logits), cache)
    assert one.audio_positions.weight.grad is None
    assert not one.audio_positions.weight.trainable
    twin = twin_of(one)
    assert not twin.audio_positions.weight.requires_grad
    assert [name for name, p in one.named_parameters() if not p.trainable] == [
        name for name, p in twin.named_parameters() if not p.requires_grad
    ]


def test_a_twin_begins_with_the_same_table():
    torch = pytest.importorskip("torch")
    from torch_ref.models import make_twin

    ours = Whisper(CONFIG, rng=np.random.default_rng(0), dtype=np.float64)
    theirs = make_twin(CONFIG, dtype=torch.float64).audio_positions.weight.numpy()
    assert abs(ours.audio_positions.weight.data - theirs).max() < 1e-12


def test_steps_with_a_cache_give_what_the_forward_gives():
    one = model(positions="rotary", window=2)
    whole, _ = one.forward(AUDIO, IDS)
    state = one.start(AUDIO)
    for t in range(IDS.shape[1]):
        assert abs(one.step(IDS[:, t], state) - whole[:, t]).max() < 1e-12


def test_both_engines_record_the_same_calls():
    one = model()
    twin = twin_of(one)
    from torch_ref.inspect import record as record_twin

    ours, theirs = record(one, BATCH), record_twin(twin, BATCH)
    assert ours.paths == theirs.paths
    assert {"conv1", "activation2", "audio_positions"} <= set(ours.paths)
    for call in ours.calls:
        other = theirs.call(call.path, call.call)
        assert abs(call.output - other.output).max() < 1e-12, call.path
        assert abs(call.doutput - other.doutput).max(initial=0) < 1e-12, call.path
    for name, gradient in ours.gradients.items():
        assert abs(gradient - theirs.gradients[name]).max() < 1e-12, name


def mutants():
    """Of the front and of the whole model, with a place for each."""
    pytest.importorskip("torch")
    from npformer.verify.lockstep.plant import sites
    from npformer.verify.mutants import MUTANTS

    one = model()
    wanted = ("conv1d", "Conv1d", "Whisper")
    for name, mutant in MUTANTS.items():
        if mutant.component in wanted and name not in NO_FINDING:
            places = sites(mutant, one)
            # Of two convolutions that with a stride, of all parameters the one that is used twice.
            yield name, mutant, TWICE if TWICE in places else places[-1]


TWICE = "embedding.weight"
NO_FINDING = {
    "Conv1d/replaced": "each is used once",
    "Whisper/table-trained": "bisect looks at what frozen weights would get",
}


def test_every_mistake_of_the_front_is_named_in_its_place():
    from npformer.verify.bisect import Reference
    from npformer.verify.lockstep.plant import plant

    one = model()
    reference = Reference(twin_of(one), BATCH, one.state_dict())
    assert reference.judge(one).passed
    missed = []
    for name, mutant, path in mutants():
        with plant(mutant, one, path):
            found = reference.judge(one)
        if not any(
            f"{each.path}.weight" == path or each.path.startswith(path) for each in found.findings
        ):
            missed.append((name, str(found)))
    assert not missed
    assert reference.judge(one).passed


@pytest.mark.parametrize(
    ("audio", "said"),
    [
        (AUDIO[0], r"must be \(batch, 3, frames\)"),
        (AUDIO[:, :2], r"must be \(batch, 3, frames\)"),
        (np.zeros((1, 3, 11)), "11 frames; the model takes 1 to 10"),
        (np.zeros((1, 3, 0)), "0 frames"),
    ],
)
def test_a_sound_that_does_not_fit_is_refused_by_both_engines(audio, said):
    one = model()
    with pytest.raises(ShapeError, match=said):
        one.forward(audio, IDS[: len(audio)])
    torch = pytest.importorskip("torch")
    with pytest.raises(ShapeError, match=said):
        twin_of(one)(torch.tensor(audio), torch.tensor(IDS[: len(audio)]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mels": 0}, "mels is 0"),
        ({"audio_length": 0}, "audio_length is 0"),
        ({"decoder_layers": 0}, "decoder_layers is 0"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(change, said):
    with pytest.raises(ConfigError, match=said):
        dataclasses.replace(CONFIG, **change)


def test_what_hears_is_no_family_for_a_corpus_of_texts():
    assert families()["whisper"] is Whisper
    with pytest.raises(ConfigError, match="reads sound.*bert, gpt, transformer$"):
        family_of_texts("whisper")
    with pytest.raises(ConfigError, match="does not exist; choose one of bert, gpt, transformer"):
        family_of_texts("whispers")
