"""A draft changes how long it takes and nothing else: every text has the target's probability."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from npformer.decode import generate
from npformer.decode import speculate as module
from npformer.decode.sample import token_weights
from npformer.decode.speculate import MOST_AHEAD, accept, speculate
from npformer.errors import ConfigError, ShapeError
from npformer.models.gpt import GPT, GPTConfig

V, EOS = 4, 3


class Read:
    """The ids that a model was given."""

    def __init__(self):
        self.ids = []

    @property
    def length(self):
        return len(self.ids)

    def rewind(self, length):
        del self.ids[length:]


class Known:
    """Logits that a hash of all ids so far decides, so that nothing is regular."""

    def __init__(self, seed, spread=1.5, max_length=100, vocabulary=V):
        self.seed, self.spread, self.vocabulary = seed, spread, vocabulary
        self.config = SimpleNamespace(max_length=max_length)

    def logits(self, ids):
        return np.random.default_rng([self.seed, 9, *ids]).normal(0, self.spread, self.vocabulary)

    def start(self):
        return Read()

    def score(self, ids, state):
        found = []
        for token in ids[0].tolist():
            state.ids.append(token)
            found.append(self.logits(state.ids))
        assert len(state.ids) <= self.config.max_length
        return np.array([found])

    def step(self, ids, state):
        return self.score(ids, state)[:, -1]


class Script:
    """Chooses as it is told, and where that ends the first there is; the others are ``left``."""

    def __init__(self, told):
        self.told, self.taken, self.chance, self.left = told, (), 1.0, []

    def __call__(self, weights):
        share = weights / weights.sum()
        able = [int(i) for i in np.flatnonzero(share)]
        if len(self.taken) < len(self.told):
            now = self.told[len(self.taken)]
        else:
            now, *others = able
            self.left += [(*self.taken, other) for other in others]
        self.taken, self.chance = (*self.taken, now), self.chance * share[now]
        return now


def all_ways(run):
    """The exact probability of each result of ``run(choose)``, over every way to choose."""
    found, pending = {}, [()]
    while pending:
        script = Script(pending.pop())
        result = run(script)
        found[result] = found.get(result, 0.0) + script.chance
        pending += script.left
    assert sum(found.values()) == pytest.approx(1)
    return found


def texts(monkeypatch, model, draft, **settings):
    """Each text of up to three tokens, and its exact probability."""

    def run(choose):
        monkeypatch.setattr(module, "_chooser", lambda rng: choose)
        options = dict(bos=None, eos=EOS, rng=np.random.default_rng(0), max_length=3, ahead=2)
        return tuple(speculate(model, draft, [0], **(options | settings)).rows[0])

    return all_ways(run)


def expected(model, temperature=1.0, top_k=0, top_p=1.0):
    """The same of the target alone, by the chain rule."""
    found, growing = {}, {(): 1.0}
    for _ in range(3):
        for text, chance in list(growing.items()):
            del growing[text]
            weights = token_weights(model.logits([0, *text])[None], temperature, top_k, top_p)[0]
            for token in np.flatnonzero(weights):
                both = chance * weights[token] / weights.sum()
                into = found if token == EOS else growing
                into[text if token == EOS else (*text, int(token))] = both
    return found | growing


def variation(left, right):
    return sum(abs(left.get(t, 0) - right.get(t, 0)) for t in {*left, *right}) / 2


@pytest.mark.parametrize(
    "settings", [{}, {"temperature": 0.5, "top_k": 3}, {"temperature": 2.0, "top_p": 0.8}], ids=str
)
def test_every_text_has_exactly_the_targets_probability(monkeypatch, settings):
    model, draft = Known(1), Known(2)
    found = texts(monkeypatch, model, draft, **settings)
    assert variation(found, expected(model, **settings)) < 1e-12


def by_equality(p, q, proposals, choose):
    """A proposal is kept where the target would have drawn it: mlx-swift-lm#459."""
    for i, token in enumerate(proposals):
        if (drawn := choose(p[i])) != token or p[i].argmax() != token:
            return i, int(p[i].argmax())
        assert drawn == token
    return len(proposals), choose(p[-1])


def first_unverified(p, q, proposals, choose):
    """The first proposal is kept without a look at it: lattice#243."""
    return 1, choose(p[1])


def drawn_from_p(p, q, proposals, choose):
    """What is refused is drawn anew from p, and not from what q lacks."""
    kept, token = accept(p, q, proposals, choose)
    return kept, token if kept == len(proposals) else choose(p[kept])


@pytest.mark.parametrize("rule", [accept, by_equality, first_unverified, drawn_from_p])
def test_the_next_token_has_the_targets_probability_and_a_wrong_rule_shows(rule):
    rng = np.random.default_rng(0)
    for alpha in (0.1, 1.0):
        p, q = rng.dirichlet(np.full(V, alpha), (2, 2))

        def first(choose, p=p, q=q):
            proposal = choose(q[0])
            kept, token = rule(p, q[:1], [proposal], choose)
            return proposal if kept else token

        away = variation(all_ways(first), dict(enumerate(p[0])))
        assert away < 1e-12 if rule is accept else away > 0.01


CONFIG = GPTConfig(vocab_size=9, d_model=8, heads=2, d_ff=8, layers=2, max_length=40, norm="pre")
OPTIONS = {"bos": 1, "eos": 2, "banned": (0,)}


def gpt(seed, engine="numpy", **settings):
    config = dataclasses.replace(CONFIG, **settings)
    model = GPT(config, rng=np.random.default_rng(seed), dtype=np.float64)
    for parameter in model.parameters():
        parameter.data *= 3  # far from an even distribution
    if engine == "numpy":
        return model
    torch = pytest.importorskip("torch")
    from torch_ref import bridge
    from torch_ref.models.gpt import GPT as TwinGPT

    twin = TwinGPT(config, dtype=torch.float64)
    bridge.to_torch(model.state_dict(), twin)
    return twin


WINDOWED = {"window": 3, "window_pattern": "LG"}
LATENT = {
    "latent_size": 4,
    "rotary_fraction": 0.5,
    "positions": "rotary",
    "attention_bias": "none",
}
KINDS = pytest.mark.parametrize("settings", [{}, WINDOWED, LATENT], ids=["all", "window", "latent"])


@pytest.mark.parametrize("engine", ["numpy", "torch"])
@KINDS
def test_the_greedy_text_is_the_targets_own(engine, settings):
    model = gpt(0, engine, **settings)
    greedy = {**OPTIONS, "rng": np.random.default_rng(0), "temperature": 0.0}
    alone = generate(model, [3, 4], **greedy)
    for seed in (0, 1, 2):
        found = speculate(model, gpt(seed, engine, **settings), [3, 4], **greedy)
        assert found.rows == alone
        assert 0 <= found.kept <= found.proposed
        assert seed != 0 or found.kept == found.proposed > 0  # its own draft is always right


@pytest.mark.parametrize("engine", ["numpy", "torch"])
@KINDS
def test_a_state_that_went_back_is_as_if_nothing_had_been_read(engine, settings):
    model, ids = gpt(0, engine, **settings), np.arange(3, 9)
    state = model.start()
    model.step(ids[None], state)
    for taken_back in (1, 5, MOST_AHEAD):
        scores = model.score(np.full((1, taken_back), 7), state)
        assert scores.shape == (1, taken_back, CONFIG.vocab_size)
        state.rewind(len(ids))
        other = model.start()
        model.step(ids[None], other)
        np.testing.assert_allclose(
            model.score(ids[None], state), model.score(ids[None], other), atol=1e-12
        )
        state.rewind(len(ids))


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_a_window_that_has_forgotten_says_so(engine):
    model = gpt(0, engine, **WINDOWED)
    state = model.start()
    model.step(np.full((1, 30), 3), state)
    with pytest.raises(ShapeError, match="20 positions to take back; .* 16 at most"):
        state.rewind(10)


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_a_state_takes_nothing_back_and_says_so(engine):
    keeping = gpt(0, engine, delta_pattern="DA")
    state = keeping.start()
    keeping.step(np.full((1, 3), 1), state)
    with pytest.raises(ShapeError, match="2 positions to take back; a state that is written over"):
        state.rewind(1)
    for model, draft, said in ((keeping, gpt(1), "model"), (gpt(1), keeping, "draft")):
        with pytest.raises(ConfigError, match=f"the {said} has layers that keep a state .DA."):
            speculate(model, draft, [3], rng=np.random.default_rng(0), **OPTIONS)


def test_a_draft_may_be_shorter_and_samples_differ():
    short = gpt(1, max_length=6)
    found = speculate(gpt(0), short, [3], rng=np.random.default_rng(0), samples=3, **OPTIONS)
    assert len({tuple(row) for row in found.rows}) == 3
    assert max(map(len, found.rows)) > 6


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        (dict(ahead=0), ConfigError, "ahead is 0; it must be from 1 to 15"),
        (dict(samples=0), ConfigError, "samples is 0; it must be 1 or more"),
        (dict(prompt=[3] * 40), ShapeError, "the prompt has 41 tokens"),
        (dict(draft=Known(1)), ConfigError, "the draft knows 4 tokens and the model 9"),
    ],
)
def test_what_cannot_be_is_refused(options, error, said):
    given = dict(model=gpt(0), draft=gpt(1), prompt=[3], rng=np.random.default_rng(0), **OPTIONS)
    with pytest.raises(error, match=said):
        speculate(**(given | options))
