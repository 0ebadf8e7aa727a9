"""What every kind of positions refuses, and where one is built by name."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from npformer.errors import ConfigError, ShapeError
from npformer.nn import (
    AlibiPositions,
    LearnedPositions,
    Positions,
    RelativePositions,
    RotaryPositions,
    SinusoidalPositions,
)
from npformer.nn.positions import POSITIONS, make_positions

RNG = np.random.default_rng


def made(name: str, **settings):
    return make_positions(
        name, 6, 4, rotary_width=4, heads=2, rng=RNG(0), dtype=np.float64, **settings
    )


def place(positions: Positions, at, tokens: int = 3):
    if positions.rotates:
        return positions.rotate(np.ones((2, tokens, 1, 4)), at)[0]
    return positions.forward(np.ones((2, tokens, 4)), at)[0]


WITH_A_TABLE = [name for name in POSITIONS if made(name).adds or made(name).rotates]


@pytest.mark.parametrize("name", WITH_A_TABLE)
@pytest.mark.parametrize(
    ("at", "message"),
    [
        (4, "position 6 is past the end of the table, 5; .* max_length of 7"),
        (np.array([0, 6, 1]), "position 6 is past the end"),
        (np.array([0, 1]), r"shape \(2,\) for 3 tokens"),
        (np.array([0.0, 1, 2]), "dtype float64"),
        (np.array(0), r"shape \(\) for 3 tokens"),
    ],
)
def test_positions_that_there_are_none_of(name, at, message):
    with pytest.raises(ShapeError, match=message):
        place(made(name), at)


@pytest.mark.parametrize("name", WITH_A_TABLE)
@pytest.mark.parametrize("at", [-1, np.array([0, -1, 2])])
def test_a_negative_position_is_out_of_range(name, at):
    with pytest.raises(IndexError, match="position -1 is out of range"):
        place(made(name), at)


@pytest.mark.parametrize("name", WITH_A_TABLE)
def test_given_positions_are_those_of_a_number(name):
    positions = made(name)
    whole = place(positions, 2)
    np.testing.assert_array_equal(place(positions, np.arange(2, 5)), whole)
    np.testing.assert_array_equal(place(positions, np.tile(np.arange(2, 5), (2, 1))), whole)


@pytest.mark.parametrize("name", WITH_A_TABLE)
def test_no_tokens_have_no_positions(name):
    assert place(made(name), 6, tokens=0).shape[1] == 0
    assert place(made(name), np.zeros((2, 0), int), tokens=0).shape[1] == 0


def test_each_name_is_a_kind():
    kinds = {
        "learned": LearnedPositions,
        "sinusoidal": SinusoidalPositions,
        "sinusoidal_half": SinusoidalPositions,
        "sinusoidal_tensor2tensor": SinusoidalPositions,
        "rotary": RotaryPositions,
        "rotary_interleaved": RotaryPositions,
        "alibi": AlibiPositions,
        "t5": RelativePositions,
        "none": Positions,
    }
    assert {name: type(made(name)) for name in POSITIONS} == kinds
    assert made("rotary").layout == "half"
    assert made("rotary_interleaved").layout == "interleaved"


def test_no_positions_change_nothing():
    none = made("none")
    x = np.ones((1, 2, 3, 4))
    np.testing.assert_array_equal(none.forward(x[0])[0], x[0])
    assert none.rotate(x)[0] is x
    assert none.bias(2, 2)[0] is None
    assert not (none.adds or none.rotates or none.biases)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("rotery", {}, "'rotery' do not exist.*did you mean 'rotary'"),
        ("rotary", {"sections": (1, 2)}, r"sections \(1, 2\) are 3 points; .* of 4 has 2"),
        ("rotary", {"scaling": {"rope_type": "su"}}, "rope_type is 'su'"),
        ("rotary", {"theta": 0.5}, "theta is 0.5"),
        ("t5", {"buckets": 1}, "there are 1 buckets; there must be 2 or more"),
        ("t5", {"buckets": 6, "max_distance": 3}, "max_distance is 3; it must be above 3"),
        ("t5", {"buckets": 7, "bidirectional": True}, "there must be an even number, 4 or more"),
    ],
)
def test_what_cannot_be_built(name, settings, message):
    with pytest.raises(ConfigError, match=message):
        made(name, **settings)


@pytest.mark.parametrize("name", ["alibi", "t5"])
def test_a_bias_needs_heads(name):
    with pytest.raises(ConfigError, match="heads is 0; it must be 1 or more"):
        make_positions(name, 6, 4, rng=RNG(0), dtype=np.float64)


@pytest.mark.parametrize("name", ["alibi", "t5"])
def test_a_step_of_decoding_has_the_last_row_of_the_whole_bias(name):
    positions = made(name)
    whole = positions.bias(9, 9)[0]
    for t in (1, 4):
        np.testing.assert_array_equal(positions.bias(t, 9)[0], whole[:, :, 9 - t :])
    np.testing.assert_array_equal(positions.bias(2, 9, at=3)[0], whole[:, :, 3:5])


def test_a_rotary_width_that_is_odd_or_missing():
    for width in (3, 0):
        with pytest.raises(ConfigError, match=f"rotary width is {width}; it must be even"):
            make_positions("rotary", 6, 4, rotary_width=width, rng=RNG(0), dtype=np.float64)


def test_positions_on_axes_need_one_for_each_axis():
    positions = made("rotary", sections=(1, 1))
    x = np.ones((2, 3, 1, 4))
    at = np.stack([np.arange(3), np.arange(3)])
    np.testing.assert_array_equal(positions.rotate(x, at)[0], positions.rotate(x, 0)[0])
    with pytest.raises(ShapeError, match=r"shape \(3, 2, 3\) on 2 axes; give \(2, T\)"):
        positions.rotate(x, np.zeros((3, 2, 3), int))
    with pytest.raises(ShapeError, match=r"shape \(3,\) on 2 axes"):
        positions.rotate(x, np.arange(3))


def test_a_head_that_is_narrower_than_the_width():
    with pytest.raises(ShapeError, match="turn 4 columns; a head of x has 2"):
        made("rotary").rotate(np.ones((1, 1, 1, 2)))


def test_layers_that_turn_alike_share_their_tables_for_as_long_as_they_live():
    own = {"theta": 777.0}  # which no layer of another test has
    one, two, other = made("rotary", **own), made("rotary", **own), made("rotary", theta=500.0)
    assert one.tables is two.tables is one.replica().tables
    assert one.tables is not other.tables
    assert not one.tables.cos.flags.writeable
    gone = weakref.ref(one.tables)
    del one, two
    assert gone() is None
