"""Learning from judged answers: both engines alike, the batch cut anywhere, kept and resumed."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.cli.main import main
from npformer.config import AdapterConfig, OptimConfig, PreferenceConfig, RunConfig, TrainConfig
from npformer.errors import ConfigError
from npformer.models.gpt import GPTConfig
from npformer.models.transformer import TransformerConfig
from npformer.text.judged_batches import EncodedJudged, JudgedBatches
from npformer.train.engines import load_model
from npformer.train.feed import Feed
from npformer.train.judged_validation import JudgedValidation, measure_references
from npformer.train.metrics import read_metrics
from npformer.train.numpy_engine import NumpyEngine
from npformer.train.references import REFERENCES
from npformer.train.run_directory import load_checkpoint
from torch_ref.train import TorchEngine

SIZES: dict[str, Any] = dict(vocab_size=19, d_model=8, heads=2, d_ff=12, max_length=12, dropout=0.2)
GPT = GPTConfig(**SIZES, layers=2, tie_output=False, positions="rotary", logit_softcap=5.0)
TRANSFORMER = TransformerConfig(**SIZES, encoder_layers=1, decoder_layers=1)
LOSSES = {
    "dpo": PreferenceConfig(prefer="dpo", beta=0.7, label_noise=0.1),
    "simpo": PreferenceConfig(prefer="simpo", margin=0.4),
    "kto": PreferenceConfig(prefer="kto", beta=0.9, desirable_weight=1.3, undesirable_weight=0.6),
}
losses = pytest.mark.parametrize("preferences", LOSSES.values(), ids=LOSSES)


def config_of(preferences, model=GPT, adapters=None, workers=1):
    return RunConfig(
        model=model,
        optim=OptimConfig(name="adam", schedule="constant", learning_rate=0.03),
        train=TrainConfig(dtype="float64", workers=workers, seed=2),
        adapters=adapters or AdapterConfig(),
        preferences=preferences,
    )


def batches_of(preferences, model=GPT, units=5, seed=0, budget=1000):
    """Answers of unlike lengths; every third token of a prompt is no target."""
    rng = np.random.default_rng(seed)
    count = units * preferences.answers
    translates = isinstance(model, TransformerConfig)
    sources = [rng.integers(1, 19, rng.integers(1, 6) if translates else 0) for _ in range(count)]
    targets = [rng.integers(1, 19, rng.integers(5, 10)) for _ in range(count)]
    asked = np.full(count, 1) if translates else rng.integers(1, 4, count)
    desirable = np.resize([True, False], count)
    encoded = EncodedJudged(
        preferences.answers, sources, targets, asked, desirable, 0, [*range(units)]
    )
    return JudgedBatches(encoded, budget, 0, model_streams(model), pad=0, no_target=0)


def model_streams(model):
    return ("source", "target") if isinstance(model, TransformerConfig) else ("target",)


def both(config):
    by_hand = NumpyEngine(config)
    twin = TorchEngine(
        config, weights=by_hand.model.state_dict(), replay_dropout=True, device="cpu"
    )
    return by_hand, twin


@losses
@pytest.mark.parametrize("model", [GPT, TRANSFORMER], ids=["gpt", "transformer"])
@pytest.mark.parametrize(
    "adapters", [AdapterConfig(), AdapterConfig(lora=2, lora_targets="all")], ids=["whole", "lora"]
)
def test_both_engines_learn_in_lockstep(preferences, model, adapters):
    by_hand, twin = both(config_of(preferences, model, adapters))
    batches = batches_of(preferences, model)
    (batches.reference,) = measure_references(by_hand, [batches])
    (theirs,) = measure_references(twin, [batches])
    np.testing.assert_allclose(batches.reference, theirs, rtol=1e-9)
    found = []
    for update in range(10):
        for engine in (by_hand, twin):
            for rows in ([0, 1, 2], [3, 4]):
                engine.gradients(batches.batch(np.array(rows)), (2, update))
        for name, parameter in by_hand.model.named_parameters() if update == 0 else ():
            expected = dict(twin.model.named_parameters())[name].grad
            mine = parameter.grad
            assert (mine is None) == (expected is None), name
            if mine is not None:
                np.testing.assert_allclose(mine, expected.numpy(), rtol=1e-7, atol=1e-11)
        step, expected_step = by_hand.update(0.03), twin.update(0.03)
        assert step.units == expected_step.units == 5
        assert step.loss == pytest.approx(expected_step.loss, rel=1e-9)
        assert step.norm == pytest.approx(expected_step.norm, rel=1e-7)
        found.append(step.mean)
    assert found[-1] < found[0]
    validation = JudgedValidation(batches, preferences)
    ours, twins = validation.measure(by_hand), validation.measure(twin)
    assert ours == pytest.approx(twins, rel=1e-6)
    assert ours["margin"] > 0


@pytest.mark.parametrize(("name", "first"), [("dpo", math.log(2)), ("kto", 0.5)])
def test_a_policy_that_is_its_reference_has_the_loss_of_a_coin(name, first):
    """With dropout off; adapters, whose updates begin with 0, change nothing."""
    preferences = PreferenceConfig(prefer=name)
    plain = dataclasses.replace(GPT, dropout=0.0)
    adapters = AdapterConfig(lora=2, lora_targets="all")
    engine = NumpyEngine(config_of(preferences, plain, adapters))
    alone = NumpyEngine(config_of(preferences, plain))
    weights = {name.replace(".linear.", "."): a for name, a in engine.model.state_dict().items()}
    alone.model.load_state_dict({name: weights[name] for name in alone.model.state_dict()})
    batches = batches_of(preferences)
    (batches.reference,) = measure_references(engine, [batches])
    np.testing.assert_array_equal(batches.reference, measure_references(alone, [batches])[0])
    engine.gradients(batches.batch(np.arange(5)), (0,))
    assert engine.update(0.0).mean == pytest.approx(first, rel=1e-9)


@losses
@given(cut=st.integers(1, 4), workers=st.integers(1, 3))
def test_a_batch_that_is_cut_gives_the_same_step(preferences, cut, workers):
    plain = dataclasses.replace(GPT, dropout=0.0)
    whole = NumpyEngine(config_of(preferences, plain))
    parted = NumpyEngine(config_of(preferences, plain, workers=workers))
    batches = batches_of(preferences)
    for one, other in zip(
        *(measure_references(e, [batches]) for e in (whole, parted)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    batches.reference = np.random.default_rng(1).uniform(-20, -5, len(batches.pairs.target))
    whole.gradients(batches.batch(np.arange(5)), (0,))
    for rows in (np.arange(cut), np.arange(cut, 5)):
        parted.gradients(batches.batch(rows), (0,))
    step, of_parts = whole.update(0.01), parted.update(0.01)
    assert step.mean == pytest.approx(of_parts.mean, rel=1e-12)
    assert step.norm == pytest.approx(of_parts.norm, rel=1e-10)


@losses
@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_a_rank_without_a_pair_adds_nothing(preferences, engine):
    plain = dataclasses.replace(GPT, dropout=0.0)
    chosen = both(config_of(preferences, plain))[engine == "torch"]
    batches = batches_of(preferences)
    batches.reference = np.random.default_rng(1).uniform(-20, -5, len(batches.pairs.target))
    idle = Feed(_One(batches), share=(1, 2)).next()
    assert (idle.units, idle.tokens) == (0, 0)
    assert len(idle) == 1
    chosen.gradients(batches.batch(np.arange(2)), (0,))
    chosen.gradients(idle, (0,))
    alone = both(config_of(preferences, plain))[engine == "torch"]
    alone.gradients(batches.batch(np.arange(2)), (0,))
    one, other = chosen.update(0.01), alone.update(0.01)
    assert one == other


class _One:
    """Batches of one unit each, which a second rank has no share of."""

    def __init__(self, batches):
        self.batch = batches.batch

    def epoch(self, number):
        return [np.array([0])]


@losses
@given(seed=st.integers(0, 99), budget=st.integers(30, 120))
def test_every_answer_is_asked_for_its_own_tokens_once_an_epoch(preferences, seed, budget):
    batches = batches_of(preferences, units=7, seed=seed, budget=budget)
    encoded, seen = batches.pairs, []
    for rows in batches.epoch(seed):
        batch = batches.batch(rows)
        assert batch.targets.size <= budget
        places = encoded.places(rows)
        seen += rows.tolist()
        for at, read, asked in zip(places, batch.inputs["target"], batch.targets, strict=True):
            whole, first = encoded.target[at], encoded.asked[at]
            size = len(whole) - 1
            np.testing.assert_array_equal(read, [*whole[:-1], *[0] * (len(read) - size)])
            hidden = [0] * (first - 1)
            np.testing.assert_array_equal(asked[:size], [*hidden, *whole[first:]])
            assert not asked[size:].any()
        np.testing.assert_array_equal(batch.lengths, [len(encoded.target[p]) - 1 for p in places])
    assert sorted(seen) == [*range(7)]


def test_parts_of_a_batch_have_their_own_judgements():
    batches = batches_of(LOSSES["dpo"])
    batches.reference = np.arange(10.0)
    part = batches.batch(np.arange(5)).rows(slice(2, 4))
    assert len(part) == part.units == 2
    np.testing.assert_array_equal(part.about["reference"], [4, 5, 6, 7])
    np.testing.assert_array_equal(part.about["desirable"], [True, False, True, False])
    np.testing.assert_array_equal(part.targets, batches.batch(np.array([2, 3])).targets[:, :9])


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A small language model, and the answers that somebody judged."""
    folder = tmp_path_factory.mktemp("judged")
    words = "rot blau grün gelb schwarz weiß".split()
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(60):
        colours = rng.permutation(words)[:3].tolist()
        pairs.append(
            {"prompt": colours[0], "chosen": " ".join(sorted(colours[1:])),
             "rejected": " ".join(sorted(colours[1:], reverse=True))}
        )  # fmt: skip
    write(folder / "pairs.jsonl", pairs)
    singles = [
        {"prompt": p["prompt"], "completion": p[kind], "label": kind == "chosen"}
        for p in pairs
        for kind in ("chosen", "rejected")
    ]
    write(folder / "singles.jsonl", singles)
    (folder / "texts.txt").write_text("\n\n".join(" ".join(rng.permutation(words)) for _ in pairs))
    options = ["--corpus", str(folder / "texts.txt"), "--updates", "2", "--vocab-size", "280"]
    sizes = ["--model.d-model", "16", "--model.heads", "2", "--model.d-ff", "16"]
    small = ["--model", "gpt", "--model.layers", "1", "--workers", "1", "--dtype", "float64"]
    assert main(["train", str(folder / "gpt"), *options, *sizes, *small]) == 0
    return folder


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def prefer(folder, run, *options):
    return main(
        ["train", str(run), "--from", str(folder / "gpt"), "--workers", "1", "--dtype", "float64",
         "--optim.learning-rate", "3e-3", "--optim.warmup", "1", *options]
    )  # fmt: skip


@pytest.mark.parametrize("adapters", [[], ["--lora", "2"]], ids=["whole", "lora"])
def test_a_run_resumes_on_the_same_references(begun, tmp_path, adapters, capsys):
    options = ["--prefer", "dpo", "--corpus", str(begun / "pairs.jsonl"), "--validate-every", "2"]
    options += [*adapters, "--checkpoint-every", "2", "--optim.schedule", "constant"]
    straight, run = tmp_path / "straight", tmp_path / "run"
    assert prefer(begun, straight, *options, "--updates", "6") == 0
    said = capsys.readouterr().out
    assert "55 training preferences (2 more passed over" in said
    assert "3 validation preferences" in said
    assert prefer(begun, run, *options, "--updates", "2") == 0
    again = ["train", str(run), "--resume", "--updates", "6"]
    kept = (run / REFERENCES).read_bytes()
    assert kept == (straight / REFERENCES).read_bytes()
    (run / REFERENCES).unlink()
    assert main(again) == 2
    assert "references.safetensors is gone" in capsys.readouterr().err
    (run / REFERENCES).write_bytes(kept)
    assert main([*again, "--prefer", "simpo"]) == 2
    assert "preferences.prefer = 'dpo', not 'simpo'" in capsys.readouterr().err
    assert main([*again, "--beta", "0.3"]) == 2
    assert "preferences.beta = None, not 0.3" in capsys.readouterr().err
    if adapters:
        assert main([*again, "--lora-alpha", "3"]) == 2
        assert "adapters.lora_alpha = None, not 3.0" in capsys.readouterr().err
    assert main(again) == 0
    one, other = (load_checkpoint(path)[0].weights for path in (run, straight))
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)
    lines = [line for line in read_metrics(straight / "metrics.jsonl") if "accuracy" in line]
    assert lines[-1]["validation_loss"] < math.log(2)
    assert 0 <= lines[-1]["accuracy"] <= 1
    assert load_model(run).model.config.layers == 1
    assert main(["evaluate", str(run)]) == 2
    assert main(["evaluate", str(run), "--corpus", str(begun / "texts.txt")]) == 0


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_single_answers_and_pairs_without_a_reference(begun, tmp_path, engine):
    singles = str(begun / "singles.jsonl")
    options = ["--updates", "3", "--engine", engine]
    assert prefer(begun, tmp_path / "kto", "--prefer", "kto", "--corpus", singles, *options) == 0
    assert (tmp_path / "kto" / REFERENCES).exists()
    pairs = str(begun / "pairs.jsonl")
    assert prefer(begun, tmp_path / "s", "--prefer", "simpo", "--corpus", pairs, *options) == 0
    assert not (tmp_path / "s" / REFERENCES).exists()


GOOD = {"prompt": "rot", "chosen": "blau", "rejected": "gelb"}
BAD = {
    "has no 'rejected'; it has prompt, chosen": {"prompt": "rot", "chosen": "blau"},
    "--prefer kto reads those": {"prompt": "rot", "completion": "blau", "label": True},
    "'chosen' is no text": {**GOOD, "chosen": [{"role": "assistant", "content": "blau"}]},
    "'rejected' is empty": {**GOOD, "rejected": ""},
    "is no object with prompt, chosen, rejected": ["rot", "blau", "gelb"],
}


@pytest.mark.parametrize(("words", "record"), BAD.items(), ids=[*map(str, range(len(BAD)))])
def test_answers_that_cannot_be_learned_are_one_line(begun, tmp_path, capsys, words, record):
    path = tmp_path / "bad.jsonl"
    write(path, [GOOD, record])
    assert prefer(begun, tmp_path / "run", "--prefer", "dpo", "--corpus", str(path)) == 2
    said = capsys.readouterr().err.strip()
    assert words in said
    assert "line 2" in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "run" / "config.json").exists()


def test_other_mistakes_are_one_line_too(begun, tmp_path, capsys):
    pairs, singles = str(begun / "pairs.jsonl"), str(begun / "singles.jsonl")
    write(tmp_path / "alike.jsonl", [{**GOOD, "rejected": "blau"}] * 3)
    write(tmp_path / "label.jsonl", [{"prompt": "a", "completion": "b", "label": 1}])
    wrong = {
        "--prefer dpo reads those": ["--prefer", "kto", "--corpus", pairs],
        "--prefer kto reads those": ["--prefer", "simpo", "--corpus", singles],
        "its 3 pairs are the same": ["--prefer", "dpo", "--corpus", tmp_path / "alike.jsonl"],
        "it must be true or false": ["--prefer", "kto", "--corpus", tmp_path / "label.jsonl"],
        "train.label_smoothing is 0.1": ["--prefer", "dpo", "--corpus", pairs,
                                         "--label-smoothing", "0.1"],
        "data.pack is True": ["--prefer", "dpo", "--corpus", pairs, "--pack"],
        "beta is for answers that are judged": ["--beta", "0.3"],
        "margin is for answers that are judged; give prefer, 'simpo'": ["--prefer", "dpo",
                                                                        "--margin", "1"],
        "fits into max_length": ["--prefer", "dpo", "--corpus", pairs, "--max-length", "2"],
    }  # fmt: skip
    for words, options in wrong.items():
        assert prefer(begun, tmp_path / "run", *map(str, options)) == 2, words
        said = capsys.readouterr().err.strip()
        assert words in said
        assert len(said.splitlines()) == 1, said
    assert main(["train", str(tmp_path / "new"), "--prefer", "dpo", "--corpus", pairs]) == 2
    assert "begins with a trained one; give --from" in capsys.readouterr().err


@pytest.mark.parametrize("change", [{"beta": 0.0, "prefer": "dpo"}, {"label_noise": 0.6},
                                    {"desirable_weight": 0.0}, {"margin": -1.0}])  # fmt: skip
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(ConfigError, match=f"{next(iter(change))} is"):
        PreferenceConfig(**change)


def test_an_older_runs_configuration_has_no_preferences():
    from npformer.fields import to_dict
    from npformer.train.run_config import run_config

    values = json.loads(json.dumps(to_dict(config_of(PreferenceConfig()))))
    del values["preferences"]
    assert run_config(values).preferences == PreferenceConfig()
