import numpy as np
import pytest

from npformer.decode.greedy import greedy
from npformer.decode.sample import draw, sample, token_weights
from npformer.errors import ConfigError, NonFiniteError
from tests.decode.fakes import BOS, EOS, IDS, FakeModel, chain_model, tree_model

P = np.array([[0.05, 0.5, 0.1, 0.25, 0.1]])
LOGITS = np.log(P) + 3


def support(**cuts):
    return np.flatnonzero(token_weights(LOGITS, 1.0, **cuts)[0]).tolist()


def test_without_cuts_the_weights_are_the_probabilities():
    weights = token_weights(LOGITS, 1.0)
    np.testing.assert_allclose(weights / weights.sum(), P, rtol=1e-14)
    weights = token_weights(LOGITS, 0.5)
    np.testing.assert_allclose(weights / weights.sum(), P**2 / (P**2).sum(), rtol=1e-14)


def test_top_k_keeps_the_k_most_probable_and_of_equals_the_smaller_id():
    assert support(top_k=1) == [1]
    assert support(top_k=2) == [1, 3]
    assert support(top_k=3) == [1, 2, 3]
    assert support(top_k=4) == [1, 2, 3, 4]
    assert support(top_k=99) == support(top_k=0) == [0, 1, 2, 3, 4]


def test_top_p_keeps_the_smallest_set_that_reaches_p():
    assert support(top_p=1e-9) == [1]
    assert support(top_p=0.49) == [1]
    assert support(top_p=0.51) == [1, 3]
    assert support(top_p=0.76) == [1, 2, 3]
    assert support(top_p=0.86) == [1, 2, 3, 4]
    assert support(top_p=0.96) == support(top_p=1.0) == [0, 1, 2, 3, 4]
    # Masses that floats hold exactly: p reached is p enough.
    halves = np.log2([[0.5, 0.25, 0.125, 0.125]]) * np.log(2)
    assert np.count_nonzero(token_weights(halves, 1.0, top_p=0.5)) == 1
    assert np.count_nonzero(token_weights(halves, 1.0, top_p=0.75)) == 2


def test_the_nucleus_is_taken_from_what_top_k_left():
    # Of 0.5 and 0.25 alone the first has 2/3 of the mass.
    assert support(top_k=2, top_p=0.66) == [1]
    assert support(top_k=2, top_p=0.67) == [1, 3]


def test_cuts_leave_the_ratios_alone():
    weights = token_weights(LOGITS, 1.0, top_k=3, top_p=0.9)
    np.testing.assert_allclose(weights / weights.sum(), [[0, 5 / 8.5, 1 / 8.5, 2.5 / 8.5, 0]])


def test_a_draw_inverts_the_running_sum():
    weights = np.array([[0.0, 1.0, 0.0, 2.0, 1.0, 0.0]])
    at = [0.0, 0.2499, 0.25, 0.7499, 0.75, np.nextafter(1.0, 0.0)]
    drawn = draw(np.repeat(weights, len(at), axis=0), np.array(at))
    assert drawn.tolist() == [1, 1, 3, 3, 4, 4]


def test_a_draw_never_leaves_the_support():
    rng = np.random.default_rng(0)
    weights = rng.random((20_000, 7)) * (rng.random((20_000, 7)) < 0.4) + np.eye(7)[3] * 1e-300
    for uniform in (np.zeros(20_000), np.full(20_000, np.nextafter(1.0, 0.0))):
        assert (weights[np.arange(20_000), draw(weights, uniform)] > 0).all()


def test_samples_follow_the_chain():
    table = np.zeros((6, 6))
    table[BOS, [4, 5]] = 0.3, 0.7
    table[4, [5, EOS]] = 0.6, 0.4
    table[5, [EOS]] = 1.0
    count = 40_000
    drawn = sample(chain_model(table), np.full((count, 1), 4), rng=np.random.default_rng(1), **IDS)
    exact = {(4,): 0.12, (4, 5): 0.18, (5,): 0.7}
    assert {tuple(tokens) for tokens in drawn} == set(exact)
    for tokens, p in exact.items():
        share = sum(tuple(d) == tokens for d in drawn) / count
        assert abs(share - p) < 4 * np.sqrt(p * (1 - p) / count)


SOURCE = np.array([[4, 5, 5, 3], [5, 3, 0, 0], [4, 4, 3, 0]])


def test_the_seed_decides_the_sample():
    def drawn(seed):
        return sample(tree_model(0), SOURCE, rng=np.random.default_rng(seed), **IDS)

    assert drawn(5) == drawn(5)
    assert len({str(drawn(seed)) for seed in range(5)}) > 1


def test_a_row_does_not_depend_on_when_the_others_end():
    def third_row(first_ends_at):
        def logits(source, prefix):
            x = np.random.default_rng([*source, 99, *prefix]).normal(0, 1, 6)
            if source[0] != 4:
                return x
            return np.where(np.arange(6) == (EOS if len(prefix) > first_ends_at else 4), 99.0, x)

        source = np.array([[4, 3], [4, 3], [5, 3]])
        return sample(FakeModel(logits), source, rng=np.random.default_rng(0), **IDS)[2]

    assert len(third_row(0)) > 1
    assert third_row(0) == third_row(3) == third_row(30)


@pytest.mark.parametrize("seed", range(5))
def test_temperature_limits(seed):
    model, rng = tree_model(seed), np.random.default_rng(seed)
    best = greedy(model, SOURCE, **IDS, max_length=9)
    before = rng.bit_generator.state
    assert sample(model, SOURCE, rng=rng, temperature=0.0, **IDS, max_length=9) == best
    assert rng.bit_generator.state == before
    assert sample(model, SOURCE, rng=rng, temperature=1e-300, **IDS, max_length=9) == best
    assert sample(model, SOURCE, rng=rng, top_k=1, **IDS, max_length=9) == best
    assert sample(model, SOURCE, rng=rng, top_p=1e-9, **IDS, max_length=9) == best
    # Without end, every token is as probable as any other.
    np.testing.assert_allclose(token_weights(LOGITS, 1e300), np.ones((1, 5)))


def test_padding_and_begin_are_never_drawn():
    model = FakeModel(lambda source, prefix: np.array([50.0, 0.0, 50.0, 0.0, 0.0]))
    drawn = sample(model, np.full((200, 1), 4), rng=np.random.default_rng(0), **IDS)
    assert {token for row in drawn for token in row} == {1, 4}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"temperature": float("inf")}, "temperature is inf"),
        ({"top_k": -1}, "top_k is -1"),
        ({"top_p": 0.0}, "top_p is 0.0"),
        ({"top_p": 1.1}, "top_p is 1.1"),
    ],
)
def test_settings_out_of_range(setting, message):
    with pytest.raises(ConfigError, match=message):
        sample(tree_model(0), SOURCE, rng=np.random.default_rng(0), **setting, **IDS)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_an_error(bad):
    model = FakeModel(lambda source, prefix: np.full(6, bad))
    with pytest.raises(NonFiniteError):
        sample(model, SOURCE, rng=np.random.default_rng(0), **IDS)
