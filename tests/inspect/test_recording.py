"""Finding one's way in a recording."""

import pytest

from npformer.inspect import record
from tests.inspect.models import make_batch, make_model


@pytest.fixture(scope="module")
def recording():
    return record(make_model(), make_batch())


def test_a_path_leads_to_its_first_call(recording):
    call = recording["embedding"]
    assert (call.path, call.call) == ("embedding", 0)
    assert recording.call("embedding", 1) is not call
    assert "encoder.layers.1" in recording
    assert "encoder.layers.2" not in recording
    assert len(recording.paths) == len(set(recording.paths)) < len(recording.calls)


def test_a_path_that_is_not_there_gets_the_nearest(recording):
    with pytest.raises(KeyError, match=r"did you mean 'encoder.layers.0.self_attn.q_proj'"):
        recording["encoder.layers.0.self_attn.qproj"]


def test_attention_maps_stand_under_their_modules(recording):
    assert list(recording.attention) == [
        "encoder.layers.0.self_attn",
        "encoder.layers.1.self_attn",
        "decoder.layers.0.self_attn",
        "decoder.layers.0.cross_attn",
        "decoder.layers.1.self_attn",
        "decoder.layers.1.cross_attn",
    ]
    assert recording.attention["decoder.layers.1.cross_attn"].shape == (3, 2, 5, 6)
