"""The twin's decoding: what it chooses on its device, and its two kinds of buffers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from npformer.decode import beam, greedy, n_best, sample
from npformer.decode.choice import extensions, top_next
from npformer.errors import NonFiniteError, ShapeError
from npformer.models.transformer import Transformer, TransformerConfig
from torch_ref.bridge import to_torch
from torch_ref.models.choice import Choice
from torch_ref.models.static_state import BUFFERS
from torch_ref.models.transformer import Transformer as Twin
from torch_ref.nn.key_value_cache import FIRST_ROOM
from torch_ref.nn.sentence_grid import SentenceGrid

VOCABULARY = 23
PAD, BOS, EOS = 0, 2, 3
IDS = {"bos": BOS, "eos": EOS, "pad": PAD}


def pair(dtype=np.float64, **changes) -> tuple[Transformer, Twin]:
    sizes = dict(vocab_size=VOCABULARY, d_model=16, heads=4, d_ff=24, d_k=3, d_v=5, max_length=90)
    config = TransformerConfig(**{**sizes, "encoder_layers": 1, "decoder_layers": 2, **changes})
    rng = np.random.default_rng(0)
    ours = Transformer(config, rng=rng, dtype=dtype)
    for parameter in ours.parameters():
        parameter.data += rng.normal(0, 0.3, parameter.data.shape).astype(dtype)
    theirs = Twin(config, dtype=getattr(torch, np.dtype(dtype).name)).eval()
    to_torch(ours.state_dict(), theirs)
    return ours, theirs


@pytest.fixture(scope="module", params=["post-tied", "pre-untied"])
def engines(request):
    post = request.param == "post-tied"
    return pair(norm="post" if post else "pre", tie_output=post)


def sources(seed: int, rows: int = 5, longest: int = 9) -> np.ndarray:
    rng = np.random.default_rng(seed)
    source = rng.integers(4, VOCABULARY, (rows, longest))
    for row in range(rows):
        length = longest if row == 0 else int(rng.integers(1, longest))
        source[row, length - 1] = EOS
        source[row, length:] = PAD
    return source


@settings(deadline=None)
@given(
    rows=st.integers(1, 4),
    width=st.integers(1, 9),
    k=st.integers(1, 12),
    levels=st.integers(1, 12),
    banned=st.sets(st.integers(0, 8), max_size=3),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
@example(rows=1, width=9, k=3, levels=1, banned=set(), dtype=np.float32, seed=0)  # all tied
@example(rows=2, width=3, k=12, levels=9, banned={0}, dtype=np.float32, seed=0)  # k > V
def test_the_choice_on_the_device_is_that_of_all_logits(
    rows, width, k, levels, banned, dtype, seed
):
    # Few levels give many ties, -inf among them.
    rng = np.random.default_rng(seed)
    logits = rng.integers(0, levels, (rows, width)).astype(dtype)
    logits[:, 1:][logits[:, 1:] == levels - 1] = -np.inf
    banned = tuple(sorted(token for token in banned if token < width))
    left = [token for token in range(width) if token not in banned]
    choice = Choice(k, banned)
    log_probs, ids = choice.fetch(choice(torch.tensor(logits)))
    assert log_probs.dtype == np.float64
    if not np.isfinite(logits[:, left]).any(axis=1).all():
        assert not np.isfinite(log_probs[:, 0]).all()
        with pytest.raises(NonFiniteError):
            extensions(logits.copy(), k, banned)
        return
    expected, expected_ids = extensions(logits.copy(), k, banned)
    tolerance = 8 * np.finfo(dtype).eps  # exp is in the logits' own precision
    np.testing.assert_allclose(log_probs, expected, rtol=tolerance, atol=tolerance)
    possible = expected > -np.inf
    np.testing.assert_array_equal(ids[possible], expected_ids[possible])
    best = Choice(1, banned, scored=False)
    largest, tokens = best.fetch(best(torch.tensor(logits)))
    np.testing.assert_array_equal(tokens[:, 0], expected_ids[:, 0])
    np.testing.assert_array_equal(largest[:, 0], logits[:, left].max(axis=1))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("static", [False, True], ids=["growing", "static"])
def test_logits_that_are_not_finite_are_an_error(bad, static):
    _, theirs = pair(tie_output=False)
    theirs.run_steps(static=static)
    weight = theirs.output_proj.weight
    with torch.no_grad():
        weight.copy_(weight.abs())
        theirs.decoder.layers[-1].feed_forward_residual.norm.bias.fill_(50.0)  # all y positive
        weight[slice(None) if bad == -np.inf else 7, :] = bad
    for search in (greedy, beam):
        with pytest.raises(NonFiniteError, match="not finite"):
            search(theirs, sources(0), **IDS)
    with pytest.raises(NonFiniteError):
        top_next(theirs, np.full(5, BOS), theirs.start(sources(0)), 4, (PAD, BOS))


def test_a_nan_leaves_no_trace_in_static_buffers():
    _, theirs = pair()
    theirs.run_steps(static=True)
    ids = np.full(5, BOS)
    expected = theirs.step(ids, theirs.start(sources(0)))
    good = theirs.embedding.weight.detach().clone()
    with torch.no_grad():
        theirs.embedding.weight.fill_(torch.nan)
    state = theirs.start(sources(0, longest=20))  # longer, so that it fills more of the memory
    for _ in range(2):
        assert np.isnan(theirs.step(ids, state)).all()
    del state
    with torch.no_grad():
        theirs.embedding.weight.copy_(good)
    np.testing.assert_array_equal(theirs.step(ids, theirs.start(sources(0))), expected)


@pytest.mark.parametrize("static", [False, True], ids=["growing", "static"])
@pytest.mark.parametrize("width", [1, 4])
def test_both_engines_find_the_same(engines, static, width):
    ours, theirs = engines
    theirs.run_steps(static=static)
    longest = 0
    for seed in range(2):  # the second meets buffers that were used before
        source = sources(seed)
        expected = n_best(ours, source, n=width, beam=width, **IDS, max_length=2 * FIRST_ROOM + 3)
        found = n_best(theirs, source, n=width, beam=width, **IDS, max_length=2 * FIRST_ROOM + 3)
        for mine, others in zip(expected, found, strict=True):
            assert [h.tokens for h in mine] == [h.tokens for h in others]
            np.testing.assert_allclose(
                [h.log_prob for h in others], [h.log_prob for h in mine], rtol=1e-11
            )
        longest = max(longest, *(len(h.tokens) for row in found for h in row))
        assert greedy(theirs, source, **IDS) == greedy(ours, source, **IDS)
    assert longest > 2 * FIRST_ROOM  # so every buffer has grown, more than once
    drawn = (sample(m, sources(9), rng=np.random.default_rng(1), **IDS) for m in engines)
    assert next(drawn) == next(drawn)


@pytest.mark.parametrize("static", [False, True], ids=["growing", "static"])
@pytest.mark.parametrize("seed", range(3))
def test_steps_equal_the_whole_forward_through_reorder_repeat_and_shrink(engines, static, seed):
    _, theirs = engines
    theirs.run_steps(static=static)
    rng, source = np.random.default_rng(seed), sources(seed)
    rows, prefix = np.arange(len(source)), np.full((len(source), 1), BOS)
    state = theirs.start(source)
    for step in range(12):
        logits = theirs.step(prefix[:, -1], state)
        with torch.no_grad():
            whole = theirs(torch.tensor(source[rows]), torch.tensor(prefix))[:, -1].numpy()
        np.testing.assert_allclose(logits, whole, rtol=0, atol=1e-12 * np.abs(whole).max())
        if step % 3 == 1:  # any rows, any number of times; more, then fewer
            picked = rng.integers(0, len(rows), 8 if step < 6 else max(1, 11 - step))
            state.select(picked)
            rows, prefix = rows[picked], prefix[picked]
        prefix = np.column_stack([prefix, rng.integers(1, VOCABULARY, len(rows))])


def test_static_decodings_side_by_side_do_not_meet():
    _, theirs = pair()
    theirs.run_steps(static=True)
    one, other = theirs.start(sources(1)), theirs.start(sources(2))
    together = [
        (theirs.step(np.full(5, t), one), theirs.step(np.full(5, t), other)) for t in (2, 5)
    ]
    for number, seed in enumerate((1, 2)):
        state = theirs.start(sources(seed))
        for step, token in enumerate((2, 5)):
            alone = theirs.step(np.full(5, token), state)
            np.testing.assert_array_equal(alone, together[step][number])


def test_static_buffers_are_used_again_and_follow_the_weights():
    ours, theirs = pair()
    theirs.run_steps(static=True)
    first = theirs.start(sources(1))
    buffers = first._buffers
    del first
    for parameter in ours.parameters():
        parameter.data *= 1.1
    to_torch(ours.state_dict(), theirs)
    second = theirs.start(sources(2))
    assert second._buffers is buffers
    ids = np.full(5, BOS)
    expected = ours.step(ids, ours.start(sources(2)))
    np.testing.assert_allclose(theirs.step(ids, second), expected, rtol=1e-10)
    for rows in range(1, 2 * BUFFERS):
        theirs.start(sources(1, rows))
    assert len(theirs._pool._lent) == BUFFERS


@pytest.mark.parametrize("static", [False, True], ids=["growing", "static"])
def test_no_rows_at_all(static):
    for model in pair():
        if isinstance(model, Twin):
            model.run_steps(static=static)
        nobody = np.zeros(0, dtype=np.int64)
        state = model.start(np.zeros((0, 4), dtype=np.int64))
        assert model.step(nobody, state).shape == (0, VOCABULARY)


@pytest.mark.parametrize("static", [False, True], ids=["growing", "static"])
def test_the_models_last_position(static):
    _, theirs = pair(max_length=3)
    theirs.run_steps(static=static)
    state = theirs.start(np.array([[4, 5, EOS]]))
    for _ in range(3):
        theirs.step(np.array([4]), state)
    with pytest.raises(ShapeError, match="a sequence of 4 tokens; the model takes 3 at most"):
        theirs.step(np.array([4]), state)


@pytest.mark.parametrize("static", [False, True], ids=["growing", "static"])
@pytest.mark.parametrize("autocast", [False, True], ids=["bf16 weights", "autocast"])
def test_bf16(autocast, static):
    _, theirs = pair(np.float32)
    state = theirs.start(sources(1))
    exact, _ = theirs.step_top(np.full(5, BOS), state, 4, (PAD, BOS))
    if not autocast:
        theirs.to(torch.bfloat16)
    theirs.run_steps(static=static)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        state = theirs.start(sources(1))
        log_probs, _ = theirs.step_top(np.full(5, BOS), state, 4, (PAD, BOS))
        state.select(np.array([3, 3, 0]))
        logits = theirs.step(np.array([4, 5, 6]), state)
        assert len(beam(theirs, sources(1), **IDS)) == 5
    assert logits.dtype == np.float32
    np.testing.assert_allclose(log_probs, exact, atol=0.1)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_grid_keeps_each_row_with_its_sentence(rows):
    for sentence in itertools.product(range(3), repeat=rows):
        held, of = np.unique(sentence, return_inverse=True)
        grid = SentenceGrid(of, len(held), torch.device("cpu"))
        x = torch.randn(rows, 1, 2)
        spread = grid.spread(x)
        assert spread.shape == (*grid.shape, 2)
        assert grid.shape[1] == np.bincount(of).max()
        for row, one in enumerate(of):
            assert (spread[one] == x[row, 0]).all(dim=1).sum() == 1
        assert torch.equal(grid.collect(spread), x)
