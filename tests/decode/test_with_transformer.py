"""The decoders on the real model: its cache must never show in what they return."""

import numpy as np
import pytest

from npformer.decode.beam import beam, n_best
from npformer.decode.greedy import greedy
from npformer.decode.sample import sample
from npformer.models.transformer import Transformer, TransformerConfig
from npformer.nn.key_value_cache import FIRST_ROOM
from tests.decode.fakes import BOS, EOS, IDS, PAD, log_softmax

VOCABULARY = 23


def make_model(norm, tie_output=True, seed=0, **changes):
    config = TransformerConfig(
        vocab_size=VOCABULARY,
        d_model=16,
        heads=4,
        d_ff=24,
        encoder_layers=2,
        decoder_layers=2,
        norm=norm,
        tie_output=tie_output,
        **{"max_length": 40, **changes},
    )
    rng = np.random.default_rng(seed)
    model = Transformer(config, rng=rng, dtype=np.float64)
    for parameter in model.parameters():
        parameter.data += rng.normal(0, 0.3, parameter.data.shape)
    return model


def make_source(seed, rows=5, longest=9):
    """Rows of every length from 1 on, so that all but the longest are padded."""
    rng = np.random.default_rng(seed)
    source = rng.integers(4, VOCABULARY, (rows, longest))
    for row in range(rows):
        length = longest if row == 0 else int(rng.integers(1, longest))
        source[row, length - 1] = EOS
        source[row, length:] = PAD
    return source


@pytest.fixture(params=[("post", True), ("pre", False)], ids=["post-tied", "pre-untied"])
def model(request):
    return make_model(*request.param)


def same(cached, uncached):
    scale = np.abs(uncached).max()
    np.testing.assert_allclose(cached, uncached, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("seed", range(5))
def test_cached_steps_equal_the_whole_forward_through_reorder_repeat_and_shrink(model, seed):
    rng = np.random.default_rng(seed)
    source = make_source(seed)
    prefix = np.full((len(source), 1), BOS)
    rows = np.arange(len(source))
    state = model.start(source)
    for step in range(12):
        logits = model.step(prefix[:, -1], state)
        uncached, _ = model.forward(source[rows], prefix)
        same(logits, uncached[:, -1])
        if step % 3 == 1:  # a beam's choice: any rows, any number of times; more, then fewer
            picked = rng.integers(0, len(rows), 8 if step < 6 else max(1, 11 - step))
            state.select(picked)
            rows, prefix = rows[picked], prefix[picked]
        prefix = np.column_stack([prefix, rng.integers(1, VOCABULARY, len(rows))])


def room(state):
    return state.layers[0].self_attn._kept.k.shape[1]


def test_room_for_positions_grows_as_it_is_needed(model):
    rng, source = np.random.default_rng(0), make_source(0)
    target = rng.integers(4, VOCABULARY, (len(source), model.config.max_length))
    whole, _ = model.forward(source, target)
    state = model.start(source)
    for position in range(model.config.max_length):
        assert position in (0, *range(FIRST_ROOM + 1, 99)) or room(state) == FIRST_ROOM
        same(model.step(target[:, position], state), whole[:, position])


def test_hypotheses_share_the_memory_of_their_sentence(model):
    state = model.start(make_source(0))
    memory = state.layers[0].memory.keys_values.k
    state.select(np.array([4, 4, 0, 1, 2, 0, 3, 0]))
    assert state.layers[0].memory.keys_values.k is memory
    state.select(np.array([3, 0]))  # of the sentences 1 and 4, the others have ended
    np.testing.assert_array_equal(state.layers[0].memory.keys_values.k, memory[[1, 4]])
    assert len(state.memory_mask) == 2
    assert model.step(np.array([5, 6]), state).shape == (2, VOCABULARY)


@pytest.mark.parametrize("seed", range(5))
def test_greedy_takes_the_best_token_of_the_uncached_model(model, seed):
    source = make_source(seed)
    found = greedy(model, source, **IDS, max_length=15)
    for row, tokens in zip(source, found, strict=True):
        row = row[row != PAD]
        logits, _ = model.forward(row[None], np.array([[BOS, *tokens]]))
        logits[..., [PAD, BOS]] = -np.inf
        expected = [*tokens, EOS] if len(tokens) < 15 else tokens
        assert logits[0].argmax(axis=1)[: len(expected)].tolist() == expected


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("alpha", [0.0, 0.6])
def test_beam_scores_are_the_uncached_log_probabilities(model, seed, alpha):
    source = make_source(seed)
    found = n_best(model, source, n=4, alpha=alpha, **IDS, max_length=15)
    for row, hypotheses in zip(source, found, strict=True):
        row = row[row != PAD]
        scores = []
        for h in hypotheses:
            logits, _ = model.forward(row[None], np.array([[BOS, *h.tokens]]))
            targets = [*h.tokens, EOS] if h.finished else h.tokens
            log_prob = sum(log_softmax(logits[0, t])[i] for t, i in enumerate(targets))
            assert abs(h.log_prob - log_prob) <= 1e-12 * abs(log_prob)
            scores.append(log_prob / ((5 + len(targets)) / 6) ** alpha)
        np.testing.assert_allclose([h.score for h in hypotheses], scores, rtol=1e-12)
        assert [h.finished for h in hypotheses] == sorted(h.finished for h in hypotheses)[::-1]


@pytest.mark.parametrize("seed", range(5))
def test_a_row_comes_out_the_same_in_any_batch(model, seed):
    source = make_source(seed)
    together = n_best(model, source, n=2, **IDS, max_length=15)
    padded = np.column_stack([source, np.full((len(source), 3), PAD)])
    for order in (np.arange(5)[::-1], np.array([2]), np.array([4, 0, 0])):
        found = n_best(model, padded[order], n=2, **IDS, max_length=15)
        for row, hypotheses in zip(order, found, strict=True):
            assert [h.tokens for h in hypotheses] == [h.tokens for h in together[row]]
            np.testing.assert_allclose(
                [h.score for h in hypotheses], [h.score for h in together[row]], rtol=1e-12
            )


def test_beam_one_and_temperature_zero_are_greedy(model):
    source = make_source(7, rows=8)
    expected = greedy(model, source, **IDS)
    assert beam(model, source, beam=1, **IDS) == expected
    assert sample(model, source, rng=np.random.default_rng(0), temperature=0.0, **IDS) == expected


def test_the_models_own_length_is_the_last_limit():
    model = make_model("post", max_length=12)
    model.embedding.weight.data[EOS] = -50 * model.embedding.weight.data.mean(axis=0)
    source = np.array([[4, 5, 6, EOS]])
    for tokens in (*greedy(model, source, **IDS), *beam(model, source, **IDS)):
        assert len(tokens) <= 12


def test_float32_logits_decode_too():
    config = TransformerConfig(
        vocab_size=VOCABULARY, d_model=8, heads=2, d_ff=8, encoder_layers=1, decoder_layers=1
    )
    model = Transformer(config, rng=np.random.default_rng(0), dtype=np.float32)
    source = make_source(0)
    assert len(beam(model, source, **IDS, max_length=6)) == len(source)
    hypothesis = n_best(model, source, n=1, **IDS, max_length=6)[0][0]
    logits, _ = model.forward(source[:1], np.array([[BOS, *hypothesis.tokens]]))
    targets = [*hypothesis.tokens, EOS] if hypothesis.finished else hypothesis.tokens
    expected = sum(log_softmax(logits[0, t])[i] for t, i in enumerate(targets))
    np.testing.assert_allclose(hypothesis.log_prob, expected, rtol=1e-5)
