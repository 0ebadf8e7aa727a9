"""Every invariant can fail: a model that breaks it is caught, and the module that does it named."""

from __future__ import annotations

import pytest
import torch

from npformer.verify import check_model
from tests.verify.models.wrong import (
    LM,
    BatchNorm,
    Cached,
    Checkpointed,
    Experts,
    PaddedNorm,
    Remembers,
    Reversible,
    RowNorm,
    StateOnSelf,
    Threshold,
    Translator,
    cached_step,
)

LENGTHS = (1, 4)


def broken(model, **given):
    """What is broken, by the invariant's name."""
    torch.manual_seed(0)
    result = check_model(model, **{"lengths": LENGTHS, **given})
    assert str(result)
    return {asked.name: asked.broken for asked in result.broken}


@pytest.mark.parametrize(
    "model",
    [
        lambda: LM(),
        lambda: LM(causal=False),
        lambda: LM(Reversible()),
        lambda: LM(Checkpointed()),
    ],
)
def test_a_right_model_is_accepted(model):
    result = check_model(model(), lengths=LENGTHS)
    assert result.passed, str(result)
    assert {"repeat", "padding", "neighbours", "permutation", "trained"} <= {
        a.name for a in result.held
    }


def test_a_causal_mask_that_is_off_by_one():
    found = broken(LM(off=1))
    assert {"future", "future-gradient", "prefix"} <= found.keys()
    seen = found["future"]
    assert (seen.batch, seen.length, seen.positions) == (1, 2, (1, 0))
    assert seen.module == "attention"
    assert found["prefix"].module == "attention"
    seen = found["future-gradient"]
    assert (seen.positions, seen.module, seen.module_kind) == ((1, 0), "attention", "Attention")


def test_an_option_that_lets_a_decoder_see_the_future():
    def model(bidirectional_bias: bool = False, peek: bool = False) -> LM:
        torch.manual_seed(0)
        return LM(causal=not peek)

    result = check_model(model, lengths=LENGTHS)
    wrong = [a for a in result.broken if a.name == "future"]
    assert wrong and all("peek=True" in a.options for a in wrong)
    assert "first module whose inputs do not explain it: attention" in str(result)
    assert "peek=True" in str(result)


def test_experts_with_capacity():
    found = broken(LM(Experts()), causal=True, lengths=(2, 3, 8, 9))
    assert found["future"].module == "part"
    assert found["future"].module_kind == "Experts"


def test_a_stabiliser_that_looks_at_the_largest_later_key():
    found = broken(LM(stabiliser=True), causal=True)
    assert found["future"].module == "attention"


def test_a_cache_whose_positions_are_off_by_one():
    found = broken(Cached(shift=-1), step=cached_step)
    assert found.keys() == {"cached-step"}
    assert found["cached-step"].module == "rope"
    assert found["cached-step"].positions == (1, 1)
    assert not broken(Cached(), step=cached_step)


def test_padding_that_leaks_through_a_mean():
    found = broken(LM(PaddedNorm(), causal=False))
    assert found.keys() == {"padding"}
    assert (found["padding"].module, found["padding"].module_kind) == ("part", "PaddedNorm")


@pytest.mark.parametrize(
    ("hides", "stream", "module"),
    [(("target",), "source", "encoder"), (("source",), "target", "decoder")],
)
def test_padding_that_one_of_two_streams_shows(hides, stream, module):
    found = broken(Translator(hides, causal=False), causal=False)
    assert found.keys() == {"padding"}
    assert f"padding of {stream} change the output" in found["padding"].what
    assert found["padding"].module == module
    assert not broken(Translator(causal=False), causal=False)
    told = broken(Translator(hides, causal=False), causal=False, padding={stream: 0})
    assert told.keys() == {"padding"}


def test_batch_statistics():
    found = broken(LM(BatchNorm()))
    assert found["neighbours"].mode == "training"
    assert found["neighbours"].module.startswith("part")
    assert found["future"].mode == "training"
    found = broken(LM(RowNorm()))
    assert found["neighbours"].mode == found["permutation"].mode == "evaluation"
    assert found["neighbours"].module == "part"


def test_an_unused_parameter():
    found = broken(LM(unused=True))
    assert found.keys() == {"trained"}
    assert found["trained"].parameters == ("extra.bias", "extra.weight")
    assert found["trained"].module == "extra"


def test_a_threshold_beyond_which_nothing_is_trained():
    found = broken(LM(Threshold()), lengths=None)
    assert found.keys() == {"trained"}
    assert found["trained"].length == 7
    assert found["trained"].parameters == ("part.branch.bias", "part.branch.weight")


def test_a_reversible_layer_that_replays_the_last_calls_dropout():
    found = broken(LM(Reversible(replays_last=True)))
    assert found.keys() == {"two-backwards"}
    seen = found["two-backwards"]
    assert (seen.module, seen.module_kind, seen.mode) == ("part.g.2", "Dropout", "training")
    assert "part.g.0.weight" in seen.parameters


def test_checkpointing_without_the_random_state():
    torch.manual_seed(0)
    plain = LM(Checkpointed(saves=False))
    found = broken(LM(Checkpointed(preserve=False)), plain=plain)
    assert found.keys() == {"two-backwards", "memory-saving"}
    for seen in found.values():
        assert (seen.module, seen.module_kind) == ("part.body.2", "Dropout")
    assert not broken(LM(Checkpointed()), plain=plain)


def test_state_on_the_module():
    found = broken(LM(StateOnSelf()))
    assert found.keys() == {"two-backwards"}
    assert (found["two-backwards"].module, found["two-backwards"].length) == ("part", 1)
    assert broken(LM(Remembers()))["repeat"].module == "part"
