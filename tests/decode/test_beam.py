import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npformer.decode.beam import beam, length_penalty, n_best
from npformer.decode.greedy import greedy
from npformer.errors import ConfigError, NonFiniteError
from tests.decode.fakes import (
    BOS,
    EOS,
    IDS,
    UNK,
    FakeModel,
    all_outputs,
    chain_model,
    log_softmax,
    sequence_log_prob,
    tree_model,
)

SOURCE = np.array([[4, 5, 5, 3], [5, 3, 0, 0], [4, 4, 3, 0]])
seeds = st.integers(0, 2**32 - 1)


def penalty(length, alpha):
    return ((5 + length) / 6) ** alpha


def exhaustive(model, source, vocab_size, limit, alpha):
    """Every finished output with its score, best first."""
    scored = [
        (sequence_log_prob(model, source, tokens) / penalty(len(tokens) + 1, alpha), list(tokens))
        for tokens in all_outputs(vocab_size, limit)
    ]
    return sorted(scored, key=lambda item: -item[0])


@settings(deadline=None)
@given(seed=seeds, alpha=st.sampled_from([0.0, 0.6, 1.0, 3.0]), limit=st.integers(1, 4))
def test_a_beam_with_room_for_everything_finds_the_best_of_all(seed, alpha, limit):
    # 3 tokens and EOS: at most 3^3 live prefixes and 1 + 3 + 9 + 27 finished ones.
    model = tree_model(seed)
    best = exhaustive(model, (4, 3), 6, limit, alpha)
    n = min(5, len(best))
    found = n_best(model, np.array([[4, 3]]), n=n, beam=200, alpha=alpha, max_length=limit, **IDS)[
        0
    ]
    assert [h.tokens for h in found] == [tokens for _, tokens in best[:n]]
    np.testing.assert_allclose([h.score for h in found], [score for score, _ in best[:n]])


def plain_beam(model, source, limit, beam, alpha, n):
    """The search as its docstring tells it, one sentence, no cache, and no early stop."""
    live, finished, cut = [(0.0, ())], [], []
    for length in range(1, limit + 1):
        grown = []
        for log_prob, tokens in live:
            log_probs = log_softmax(model.logits(source, (BOS, *tokens)))
            for token in (UNK, EOS, *range(4, len(log_probs))):
                grown.append((log_prob + log_probs[token], (*tokens, token)))
        grown.sort(key=lambda item: -item[0])
        grown, live = grown[: beam - len(finished)], []
        for log_prob, tokens in grown:
            score = log_prob / penalty(length, alpha)
            if tokens[-1] == EOS:
                finished.append((score, list(tokens[:-1])))
            elif length == limit:
                cut.append((score, list(tokens)))
            else:
                live.append((log_prob, tokens))
    best = sorted(finished, key=lambda i: -i[0]) + sorted(cut, key=lambda i: -i[0])
    return best[:n]


@settings(deadline=None)
@given(
    seed=seeds,
    width=st.integers(1, 5),
    alpha=st.sampled_from([0.0, 0.6, 2.0]),
    limit=st.integers(1, 7),
    data=st.data(),
)
def test_stopping_early_and_batching_change_nothing(seed, width, alpha, limit, data):
    n = data.draw(st.integers(1, width))
    model = tree_model(seed)
    found = n_best(model, SOURCE, n=n, beam=width, alpha=alpha, max_length=limit, **IDS)
    for row, hypotheses in zip(SOURCE, found, strict=True):
        source = tuple(row[row != 0].tolist())
        expected = plain_beam(model, source, limit, width, alpha, n)
        assert [h.tokens for h in hypotheses] == [tokens for _, tokens in expected]
        np.testing.assert_allclose([h.score for h in hypotheses], [s for s, _ in expected])
        alone = n_best(model, row[None], n=n, beam=width, alpha=alpha, max_length=limit, **IDS)[0]
        assert alone == hypotheses
        for h in hypotheses:
            assert not set(h.tokens) & set(IDS.values())
            recomputed = sequence_log_prob(model, source, h.tokens, end=h.finished)
            np.testing.assert_allclose(h.log_prob, recomputed, rtol=1e-12)
            length = len(h.tokens) + h.finished
            np.testing.assert_allclose(h.score, h.log_prob / penalty(length, alpha), rtol=1e-12)


def test_the_search_stops_as_soon_as_nothing_can_win():
    # After 4 comes EOS with 0.9: its score cannot be reached, so no third step is taken.
    table = np.full((6, 6), 0.0)
    table[BOS, [4, 5]] = 0.9, 0.1
    table[4, [EOS, 5]] = 0.9, 0.1
    table[5, [4, 5, EOS]] = 0.3, 0.3, 0.4
    model = chain_model(table)
    assert beam(model, np.array([[4, 3]]), **IDS, max_length=8) == [[4]]
    assert model.batch_sizes == [1, 2]
    # The second best is still open then, so a search for two goes on.
    model.batch_sizes.clear()
    two = n_best(model, np.array([[4, 3]]), n=2, **IDS, max_length=8)[0]
    assert [h.tokens for h in two] == [[4], [4, 5]]
    assert len(model.batch_sizes) > 2


def test_the_length_penalty_lets_a_longer_output_win():
    # P(EOS at once) = 0.4; the chain 4 5 4 5 ... EOS has 0.6 * 0.9 * 0.9 * 0.7 = 0.34 at length 4.
    table = np.full((7, 7), 0.0)
    table[BOS, [EOS, 4]] = 0.4, 0.6
    table[4, [5, EOS]] = 0.9, 0.1
    table[5, [6, EOS]] = 0.9, 0.1
    table[6, [EOS, 4]] = 0.7, 0.3
    search = dict(model=chain_model(table), source=np.array([[4, 3]]), n=1, max_length=10, **IDS)
    short, long = n_best(alpha=0.0, **search)[0][0], n_best(alpha=0.6, **search)[0][0]
    assert (short.tokens, long.tokens) == ([], [4, 5, 6])
    np.testing.assert_allclose(short.score, np.log(0.4))
    np.testing.assert_allclose(long.score, np.log(0.3402) / (9 / 6) ** 0.6)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("alpha", [0.0, 0.6])
def test_a_beam_of_one_is_greedy(seed, alpha):
    model = tree_model(seed)
    for limit in (1, 3, 12):
        found = beam(model, SOURCE, beam=1, alpha=alpha, max_length=limit, **IDS)
        assert found == greedy(model, SOURCE, max_length=limit, **IDS)


def test_ties_go_to_the_better_hypothesis_then_to_the_smaller_id():
    flat = FakeModel(lambda source, prefix: np.zeros(40))
    found = n_best(flat, np.array([[4, 3]]), n=4, beam=4, alpha=0.0, max_length=2, **IDS)[0]
    # Step 1 keeps 1, EOS, 4, 5; step 2 the three places left, all from the first hypothesis.
    assert [h.tokens for h in found] == [[], [1], [1, 1], [1, 4]]
    assert [h.finished for h in found] == [True, True, False, False]


def test_ties_are_kept_in_order_in_a_wide_beam():
    # Thirteen tokens of equal probability, EOS = 3 the first; the others are impossible.
    flat = FakeModel(lambda source, prefix: np.where(np.arange(40) % 3, -np.inf, 0.0))
    found = n_best(flat, np.array([[4, 3]]), n=20, beam=20, alpha=0.0, max_length=2, **IDS)[0]
    # The first of 20 places goes to the empty output, 13 to those from 6, the last 6 from 9.
    cut = [*([6, t] for t in range(6, 40, 3)), *([9, t] for t in range(6, 19, 3))]
    assert [h.tokens for h in found] == [[], [6], [9], *cut]


def test_unfinished_outputs_rank_below_finished_ones():
    # EOS is always improbable, yet an output that has it is preferred to a likelier cut one.
    model = chain_model([[0, 0.03, 0, 0.1, 0.87]] * 5)
    found = n_best(model, np.array([[4, 3]]), n=3, beam=3, alpha=0.6, max_length=3, **IDS)[0]
    assert [h.finished for h in found] == [True, True, False]
    assert found[2].log_prob > found[1].log_prob


def test_a_vocabulary_smaller_than_the_beam():
    model = chain_model([[0, 0, 0, 0.4, 0.6]] * 5)
    found = n_best(model, np.array([[4, 3]]), n=4, beam=8, max_length=3, alpha=0.0, **IDS)[0]
    assert [h.tokens for h in found] == [[], [4], [4, 4], [4, 4, 4]]


def test_length_penalty_values():
    np.testing.assert_allclose(length_penalty(np.array([1, 7, 19]), 1.0), [1, 2, 4])
    np.testing.assert_array_equal(length_penalty(np.array([1, 30]), 0.0), [1, 1])


def test_no_rows():
    assert beam(tree_model(0), np.zeros((0, 4), dtype=int), **IDS) == []


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"beam": 0}, "beam is 0"),
        ({"alpha": -0.1}, "alpha is -0.1"),
        ({"alpha": float("nan")}, "alpha is nan"),
        ({"n": 5}, "n is 5"),
        ({"n": 0}, "n is 0"),
    ],
)
def test_settings_out_of_range(setting, message):
    with pytest.raises(ConfigError, match=message):
        n_best(tree_model(0), SOURCE, **{"n": 1, **setting}, **IDS)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_an_error(bad):
    with pytest.raises(NonFiniteError):
        beam(FakeModel(lambda source, prefix: np.full(6, bad)), SOURCE, **IDS)
    only_padding = np.where(np.arange(6) == 0, 0.0, -np.inf)
    with pytest.raises(NonFiniteError):
        beam(FakeModel(lambda source, prefix: only_padding), SOURCE, **IDS)
