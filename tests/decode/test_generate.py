"""Going on with a text: what is drawn, when it ends, that samples are independent."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from npformer.decode import generate
from npformer.errors import ConfigError, NonFiniteError, ShapeError
from npformer.models.gpt import GPT, GPTConfig

BOS, EOS = 1, 2
CONFIG = GPTConfig(vocab_size=9, d_model=8, heads=2, d_ff=8, layers=1, max_length=12)


class Counting:
    """After n it foretells n + 1, the more surely the higher ``certainty``; 8 ends a text."""

    def __init__(self, certainty=50.0):
        self.config = SimpleNamespace(max_length=8)
        self.certainty = certainty
        self.reads = []

    def start(self):
        return SimpleNamespace(select=lambda rows: None)

    def step(self, ids, state):
        self.reads.append(ids.shape)
        last = ids[:, -1] if ids.ndim == 2 else ids
        return self.certainty * np.eye(10)[np.where(last == 8, EOS, last + 1)]


def test_a_prompt_is_read_once_and_each_token_by_itself():
    model = Counting()
    rows = generate(model, [4], bos=BOS, eos=EOS, rng=np.random.default_rng(0), samples=2)
    assert rows == [[5, 6, 7, 8]] * 2
    assert model.reads == [(2, 2), *[(2,)] * 4]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_it_ends_where_the_model_takes_no_more(temperature):
    options = dict(bos=BOS, eos=EOS, rng=np.random.default_rng(0), temperature=temperature)
    model = GPT(CONFIG, rng=np.random.default_rng(0))
    model.embedding.weight.data[EOS] = -100 * model.decoder.norm.bias.data - 100  # never the end
    rows = generate(model, [3, 4, 5], banned=(0, EOS), **options)
    assert len(rows[0]) == 12 - 4 + 1
    assert len(generate(model, [3], banned=(0, EOS), max_length=4, **options)[0]) == 4


def test_a_sample_does_not_depend_on_the_others():
    model = GPT(CONFIG, rng=np.random.default_rng(0), dtype=np.float64)
    many = generate(model, [5], bos=BOS, eos=EOS, rng=np.random.default_rng(3), samples=4)
    assert len({tuple(row) for row in many}) > 1
    endless = generate(
        model, [5], bos=BOS, eos=EOS, rng=np.random.default_rng(3), samples=4, max_length=2
    )
    assert endless == [row[:2] for row in many]


def test_what_is_banned_is_never_chosen():
    model = GPT(CONFIG, rng=np.random.default_rng(0))
    options = dict(bos=BOS, eos=EOS, rng=np.random.default_rng(0), banned=(0, 3, 4))
    drawn = generate(model, [5], samples=50, **options)
    assert not {0, BOS, 3, 4} & {token for row in drawn for token in row}


def test_frequencies_are_those_of_the_distribution():
    """The first token after 4, of 4,000 draws: 5 with the probability that the logits give it."""
    options = dict(bos=BOS, eos=EOS, rng=np.random.default_rng(0), max_length=1)
    rows = generate(Counting(2.0), [4], samples=4000, **options)
    share = np.mean([row == [5] for row in rows])
    assert share == pytest.approx(np.exp(2) / (np.exp(2) + 8), abs=0.03)  # without BOS


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        (dict(samples=0), ConfigError, "samples is 0; it must be 1 or more"),
        (dict(max_length=0), ConfigError, "max_length is 0"),
        (dict(temperature=-1.0), ConfigError, "temperature is -1.0"),
        (dict(prompt=[4] * 8), ShapeError, "the prompt has 9 tokens.*takes 8 at most"),
    ],
)
def test_bad_settings_are_refused(options, error, said):
    options = {"prompt": [4], "bos": BOS, "eos": EOS, "rng": np.random.default_rng(0), **options}
    with pytest.raises(error, match=said):
        generate(Counting(), **options)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_not_finite_are_an_error(temperature):
    model = Counting(np.nan)
    with pytest.raises(NonFiniteError, match="not finite"):
        generate(
            model, [4], bos=BOS, eos=EOS, rng=np.random.default_rng(0), temperature=temperature
        )
