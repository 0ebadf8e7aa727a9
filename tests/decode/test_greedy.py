import numpy as np
import pytest

from npformer.decode.greedy import greedy
from npformer.errors import ConfigError, NonFiniteError, ShapeError
from tests.decode.fakes import BOS, EOS, IDS, PAD, FakeModel, chain_model, tree_model

SOURCE = np.array([[4, 5, 5, 3], [5, 3, 0, 0], [4, 4, 3, 0]])


def by_hand(model, source, limit):
    prefix = (BOS,)
    while len(prefix) <= limit:
        logits = model.logits(tuple(t for t in source.tolist() if t != PAD), prefix)
        best = max((t for t in range(len(logits)) if t not in (PAD, BOS)), key=lambda t: logits[t])
        if best == EOS:
            break
        prefix = (*prefix, best)
    return list(prefix[1:])


@pytest.mark.parametrize("seed", range(20))
def test_each_row_takes_the_largest_logit_whatever_its_batch(seed):
    model = tree_model(seed)
    together = greedy(model, SOURCE, **IDS, max_length=12)
    assert together == [by_hand(model, row, 12) for row in SOURCE]
    assert together == [greedy(model, row[None], **IDS, max_length=12)[0] for row in SOURCE]


def test_rows_leave_the_batch_as_they_end():
    # Row n counts up from 10 - n and ends after 9.
    def logits(source, prefix):
        token = source[0] if prefix == (BOS,) else prefix[-1] + 1
        return np.where(np.arange(11) == (EOS if token == 10 else token), 1.0, 0.0)

    model = FakeModel(logits)
    source = np.array([[9], [8], [7], [9]])
    assert greedy(model, source, **IDS) == [[9], [8, 9], [7, 8, 9], [9]]
    assert model.batch_sizes == [4, 4, 2, 1]


def test_padding_and_begin_are_never_chosen():
    def logits(source, prefix):
        return np.array([9.0, 0.0, 8.0, len(prefix) - 3.6, 0.5])

    assert greedy(FakeModel(logits), np.array([[4]]), **IDS) == [[4, 4, 4, 4]]


def test_of_equal_logits_the_smallest_id_wins():
    model = chain_model([[0, 0.25, 0.25, 0.25, 0.25]] * 5)
    assert greedy(model, np.array([[4]]), **IDS, max_length=3) == [[1, 1, 1]]


def test_length_limits():
    endless = chain_model([[0, 0, 0, 0, 1.0]] * 5, max_length=60)
    lengths = [len(row) for row in greedy(endless, SOURCE[:, :4], **IDS)]
    assert lengths == [54, 52, 53]  # input + 50, each row its own
    assert greedy(endless, SOURCE, **IDS, max_length=2) == [[4, 4]] * 3
    assert len(greedy(endless, np.full((1, 40), 4), **IDS)[0]) == 60  # the model's own limit
    with pytest.raises(ConfigError, match="max_length is 0"):
        greedy(endless, SOURCE, **IDS, max_length=0)


def test_no_rows_and_bad_shapes():
    assert greedy(tree_model(0), np.zeros((0, 4), dtype=int), **IDS) == []
    with pytest.raises(ShapeError, match="batch, length"):
        greedy(tree_model(0), np.array([4, 3]), **IDS)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_an_error(bad):
    model = FakeModel(lambda source, prefix: np.full(6, bad))
    with pytest.raises(NonFiniteError, match="not finite"):
        greedy(model, SOURCE, **IDS)
