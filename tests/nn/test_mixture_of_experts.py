"""A mixture beside one that loops over the tokens, and what only its choice can get wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.cards.altered import altered
from npformer.errors import ConfigError
from npformer.models.gpt import GPT, GPTConfig
from npformer.nn import GatedFeedForward, MixtureOfExperts
from npformer.ops.routing import (
    balanced_bias,
    choose_experts,
    sorted_by_expert,
    within_capacity,
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
    _, cache = model.forward(ids, documents=documents, counts=documents > 0)
    alone = [
        model.forward(ids[:, part], counts=np.ones((1, part.stop - part.start), bool))[1]
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
    counts = np.array([[True, True, True, False, False], [True] * 5])
    logits, cache = model.forward(ids, counts=counts)
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
            found = model.forward(ids, counts=counts)[1].auxiliary.loss
        for router, d in zip(routers, v, strict=True):
            router.data -= step * d
        return float(found)

    np.testing.assert_allclose((loss(1e-5) - loss(-1e-5)) / 2e-5, expected, rtol=1e-8)
