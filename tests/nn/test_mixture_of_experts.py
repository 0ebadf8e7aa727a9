"""A mixture beside one that loops over the tokens, and what only its choice can get wrong."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.cards.altered import altered
from npformer.errors import ConfigError
from npformer.models.gpt import GPT, GPTConfig
from npformer.models.loss import NO_TARGET
from npformer.nn import GatedFeedForward, MixtureOfExperts
from npformer.ops.routing import (
    balanced_bias,
    choose_experts,
    chosen_by_experts,
    hash_table,
    sorted_by_expert,
    within_capacity,
    within_text_capacity,
)
from npformer.verify import seeds
from tests.examples import examples
from tests.models.decoders import MIXTRAL, SIZES

RNG = np.random.default_rng


def token_by_token(mixture: MixtureOfExperts, x: np.ndarray) -> np.ndarray:
    """y of x (R, D): for each token the networks that it chose, one after the other."""
    w = mixture.state_dict()
    y = np.zeros_like(x)
    for r, token in enumerate(x):
        scores = w["router.weight"] @ token
        best = np.argsort(-scores)[: mixture.experts_per_token]
        shares = np.exp(scores[best] - scores[best].max())
        for e, share in zip(best, shares / shares.sum(), strict=True):
            one = GatedFeedForward(
                x.shape[1], w["experts.up_proj.weight"].shape[1], bias=False, rng=RNG(0), dtype="d"
            )
            one.load_state_dict(
                {
                    f"{n}_proj.weight": w[f"experts.{n}_proj.weight"][e]
                    for n in ("gate", "up", "down")
                }
            )
            y[r] += share * one.forward(token[None])[0][0]
    return y


@examples(0.3)
@given(seed=seeds(), experts=st.integers(1, 6), tokens=st.integers(0, 7))
def test_sorting_changes_nothing(seed, experts, tokens):
    rng = RNG(seed)
    k = int(rng.integers(1, experts + 1))
    mixture = MixtureOfExperts(4, 5, experts=experts, experts_per_token=k, rng=rng, dtype="d")
    x = rng.standard_normal((tokens, 4))
    y, _ = mixture.forward(x)
    np.testing.assert_allclose(y, token_by_token(mixture, x), rtol=1e-12, atol=1e-13)


@examples(0.3)
@given(seed=seeds())
def test_a_choice_is_of_the_best_and_of_the_best_groups(seed):
    rng = RNG(seed)
    affinity, bias = rng.random((5, 6)), rng.random(6)
    chosen = choose_experts(affinity, 2, bias=bias)
    with_bias = affinity + bias
    np.testing.assert_array_equal(chosen, np.argsort(-with_bias, axis=1)[:, :2])
    grouped = choose_experts(affinity, 3, groups=3, kept=2)
    for row, of_row in zip(affinity, grouped, strict=True):
        best = np.argsort(-row.reshape(3, 2).sum(1))[:2]
        allowed = [e for e in np.argsort(-row) if e // 2 in best]
        np.testing.assert_array_equal(of_row, allowed[:3])


def test_of_equal_experts_the_first_is_taken():
    np.testing.assert_array_equal(choose_experts(np.zeros((1, 4)), 3), [[0, 1, 2]])


def test_first_choices_go_before_second_ones():
    chosen = np.array([[0, 1], [0, 1], [1, 0]])
    kept = within_capacity(chosen, 2, 2)
    # Expert 0: tokens 0 and 1, first choices. Expert 1: token 2, and then token 0, its second.
    np.testing.assert_array_equal(kept, [[True, True], [True, False], [True, False]])
    places = sorted_by_expert(chosen, 2, kept)
    np.testing.assert_array_equal(places.sizes, [2, 2])
    np.testing.assert_array_equal(places.slots, [[0, 2], [1, -1], [3, -1]])


@examples(0.3)
@given(seed=seeds())
def test_an_expert_takes_the_first_of_a_text_up_to_its_share(seed):
    rng = RNG(seed)
    chosen = np.argsort(rng.random((12, 3)), axis=1)[:, :2]
    texts = np.repeat(rng.permutation([0, 7, -1, 3]), [4, 1, 2, 5])
    kept = within_text_capacity(chosen, texts, 3, 0.8)
    taken = Counter()
    for row, text in enumerate(texts):
        room = math.ceil(0.8 * (texts == text).sum() * 2 / 3)
        for j, expert in enumerate(chosen[row]):
            assert kept[row, j] == (text < 0 or taken[text, expert] < room)
            taken[text, expert] += 1


def test_a_later_token_or_another_text_never_takes_an_earlier_one_s_place():
    rng, texts = RNG(0), np.repeat([0, 6], 6)
    chosen = np.argsort(rng.random((12, 4)), axis=1)[:, :2]
    kept = within_text_capacity(chosen, texts, 4, 0.5)
    assert not kept.all()
    for row in range(12):
        changed = chosen.copy()
        changed[row:] = changed[row:, ::-1] ^ 1
        changed[:row][texts[:row] != texts[row]] ^= 1
        same = texts[:row] == texts[row]
        again = within_text_capacity(changed, texts, 4, 0.5)
        np.testing.assert_array_equal(again[:row][same], kept[:row][same])


def test_a_token_that_every_expert_drops_passes_by():
    """y is 0 and so is dx, but for what the router's own losses send."""
    mixture = MixtureOfExperts(4, 5, experts=2, experts_per_token=1, capacity=0.5,
                               rng=RNG(0), dtype=np.float64)  # fmt: skip
    x = np.tile(RNG(1).standard_normal(4), (1, 4, 1))  # all choose alike, and there is room for one
    y, cache = mixture.forward(x, texts=np.zeros((1, 4), int))
    assert y[0, 0].any()
    assert not y[0, 1:].any()
    dx = mixture.backward(np.ones_like(y), cache)
    assert not dx[0, 1:].any()
    assert mixture.forward(x)[0].any(axis=-1).all()  # in use nothing is dropped


def test_a_split_batch_drops_the_same_tokens():
    settings = {**SIZES, **MIXTRAL, "expert_capacity": 0.6}
    model = GPT(GPTConfig(**settings), rng=RNG(0), dtype=np.float64)
    ids = RNG(1).integers(4, 29, (3, 7))
    whole, _ = model.forward(ids, targets=ids)
    parts = [model.forward(ids[part], targets=ids[part])[0] for part in (slice(1), slice(1, 3))]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-12)
    assert abs(whole - model.forward(ids)[0]).max() > 1e-3  # some were dropped
    packed = np.concatenate([ids[:1], ids[1:2]], axis=1)
    documents = np.repeat([[1, 2]], 7, axis=1)
    rows, _ = model.forward(packed, documents=documents, targets=packed)
    np.testing.assert_allclose(rows.reshape(2, 7, -1), whole[:2], atol=1e-12)


def test_a_choice_of_hashes_teaches_a_router_of_one_expert_nothing():
    """With shares, the weight of one expert is 1, whatever the score; the experts learn."""
    table = hash_table(29, 4, 1, RNG(0))
    mixture = MixtureOfExperts(6, 5, experts=4, experts_per_token=1, rng=RNG(1), dtype=np.float64)
    ids = RNG(2).integers(0, 29, (2, 5))
    x = RNG(3).standard_normal((2, 5, 6))
    y, cache = mixture.forward(x, chosen=table[ids.reshape(-1)])
    mixture.backward(RNG(4).standard_normal(y.shape), cache)
    assert not mixture.router.weight.grad.any()
    assert mixture.experts.up_proj.weight.grad.any()
    moved = mixture.router.weight.data
    moved += 1
    np.testing.assert_array_equal(mixture.forward(x, chosen=table[ids.reshape(-1)])[0], y)


def test_a_table_of_hashes_has_different_experts_for_an_id():
    table = hash_table(50, 4, 3, RNG(0))
    assert all(len(set(row)) == 3 for row in table.tolist())
    assert set(table.ravel()) == set(range(4))
    with pytest.raises(ConfigError, match="5 of 4 experts"):
        hash_table(50, 4, 5, RNG(0))


def test_experts_that_choose_have_as_many_tokens_each_and_see_the_future():
    fit = RNG(0).random((2, 6, 3))
    found = chosen_by_experts(fit, 2)
    assert (found.sum(1) == 2).all()
    for text, expert in itertools.product(range(2), range(3)):
        best = np.argsort(-fit[text, :, expert])[:2]
        assert found[text, best, expert].all()
    later = fit.copy()
    later[:, -1] = 2.0  # the last token takes the place of an earlier one
    assert (chosen_by_experts(later, 2)[:, :-1] != found[:, :-1]).any()
    with pytest.raises(ConfigError, match="7 of 6 tokens"):
        chosen_by_experts(fit, 7)


def test_the_bias_rises_where_there_were_few():
    bias = balanced_bias(np.zeros(3, np.float32), np.array([1, 4, 7]), 0.5)
    np.testing.assert_array_equal(bias, np.array([0.5, 0, -0.5], np.float32))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"experts": 4, "experts_per_token": 5}, "5 of 4 experts"),
        ({"experts": 4, "expert_groups": 3}, "3 groups of 4 experts"),
        ({"experts": 4, "expert_groups": 2, "kept_expert_groups": 3}, "3 of 2 groups"),
        (
            {"experts": 4, "experts_per_token": 3, "expert_groups": 2, "kept_expert_groups": 1},
            "3 experts of 1 groups",
        ),
        ({"expert_scale": 2.0}, "expert_scale is for experts, and there are none"),
        ({"experts": 4, "expert_scale": 0.0}, "expert_scale is 0.0"),
        ({"experts": 4, "shared_d_ff": 0}, "shared_d_ff is 0"),
        ({"experts": 4, "shared_gate": True}, "shared_gate is that of a shared network"),
        ({"experts": 4, "expert_capacity": 0.0}, "expert_capacity is 0.0; it must be > 0"),
        ({"experts": 4, "expert_z_loss": -1.0}, "expert_z_loss is -1.0"),
        ({"experts": 4, "mup_base_width": 8}, "no rule for a router"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        GPTConfig(**{**SIZES, **settings})


def test_a_router_that_would_learn_nothing_is_named():
    one = GPTConfig(**{**SIZES, "experts": 4, "experts_per_token": 1})
    assert "the router's gradient is 0" in one.idle
    assert not GPTConfig(
        **{**SIZES, "experts": 4, "experts_per_token": 1, "normalize_expert_weights": False}
    ).idle


def test_the_losses_are_of_each_text_whatever_row_it_is_in():
    """And of tokens that count: a packed batch has the loss of its texts alone."""
    model = GPT(GPTConfig(**{**SIZES, **MIXTRAL, "layers": 1}), rng=RNG(0), dtype=np.float64)
    ids = RNG(1).integers(4, 29, (1, 9))
    documents = np.array([[1, 1, 1, 1, 0, 2, 2, 2, 0]])
    _, cache = model.forward(
        ids, documents=documents, targets=np.where(documents > 0, 1, NO_TARGET)
    )
    alone = [
        model.forward(ids[:, part], targets=np.ones((1, part.stop - part.start), int))[1]
        for part in (slice(0, 4), slice(5, 8))
    ]
    losses = [each.auxiliary.loss for each in alone]
    np.testing.assert_allclose(cache.auxiliary.loss, sum(losses), rtol=1e-12)
    np.testing.assert_array_equal(cache.auxiliary.load.sum(), 2 * 7)


def test_the_gradient_of_the_auxiliary_losses_is_that_of_their_sum():
    """By finite differences of the whole model, with the choices held."""
    model = GPT(GPTConfig(**{**SIZES, **MIXTRAL}), rng=RNG(0), dtype=np.float64)
    for parameter in model.parameters():
        parameter.data[...] += 0.1 * RNG(2).standard_normal(parameter.data.shape)
    ids = RNG(1).integers(4, 29, (2, 5))
    targets = np.array([[1, 1, 1, NO_TARGET, NO_TARGET], [1] * 5])
    logits, cache = model.forward(ids, targets=targets)
    model.backward(np.zeros_like(logits), cache)  # nothing but the auxiliary losses
    mixtures = [layer.feed_forward for layer in model.decoder.layers]
    routers = [m.router.weight for m in mixtures]
    v = [RNG(3).standard_normal(router.data.shape) for router in routers]
    expected = sum(np.vdot(router.grad, d) for router, d in zip(routers, v, strict=True))
    held = [of.feed_forward.sublayer.weights.chosen for of in cache.decoder.layers]

    def loss(step):
        for router, d in zip(routers, v, strict=True):
            router.data += step * d
        with (
            altered(mixtures[0], choose=lambda _: held[0]),
            altered(mixtures[1], choose=lambda _: held[1]),
        ):
            found = model.forward(ids, targets=targets)[1].auxiliary.loss
        for router, d in zip(routers, v, strict=True):
            router.data -= step * d
        return float(found)

    np.testing.assert_allclose((loss(1e-5) - loss(-1e-5)) / 2e-5, expected, rtol=1e-8)
