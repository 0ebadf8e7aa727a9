"""What a sweep varies: reading it, refusing it, and putting it into a configuration."""

from __future__ import annotations

import dataclasses
import math
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.config import RunConfig
from npformer.errors import ConfigError
from npformer.models import families
from npformer.models.gpt import GPTConfig
from npformer.presets import run_preset
from npformer.sweep.space import _FIXED, Choices, Range, configure, search_space


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("model.heads=1,2,4", Choices("model.heads", (1, 2, 4))),
        ("model.heads = 1, 2", Choices("model.heads", (1, 2))),
        ("train.label-smoothing=0,0.1", Choices("train.label_smoothing", (0.0, 0.1))),
        ("model.norm=post,pre", Choices("model.norm", ("post", "pre"))),
        ("model.tie-output=true,false", Choices("model.tie_output", (True, False))),
        ("model.d_k=none,8", Choices("model.d_k", (None, 8))),
        ("train.seed=3", Choices("train.seed", (3,))),
        ("optim.warmup=log:100..2000", Range("optim.warmup", 100, 2000, log=True)),
        ("model.dropout=0.0..0.3", Range("model.dropout", 0.0, 0.3)),
        ("optim.learning_rate=log:1e-4..1e-2", Range("optim.learning_rate", 1e-4, 1e-2, True)),
    ],
)
def test_an_axis_is_read_and_written_back(text, axis):
    assert search_space([text]) == (axis,)
    assert search_space([str(axis)]) == (axis,)
    for read in search_space([text]):
        ends = read.values if isinstance(read, Choices) else (read.low, read.high)
        given_ends = axis.values if isinstance(axis, Choices) else (axis.low, axis.high)
        assert [type(end) for end in ends] == [type(end) for end in given_ends]


def test_python_gives_values_as_they_are():
    over = {"model.heads": [1, 2], "model.dropout": "0..0.3", "model.d_k": [None, 4]}
    assert search_space(over) == (
        Choices("model.heads", (1, 2)),
        Range("model.dropout", 0.0, 0.3),
        Choices("model.d_k", (None, 4)),
    )


def test_fields_are_those_of_the_family():
    assert search_space(["model.layers=1,3"], GPTConfig) == (Choices("model.layers", (1, 3)),)
    assert search_space(["model.heads=1,5"], GPTConfig) == (Choices("model.heads", (1, 5)),)
    with pytest.raises(ConfigError, match="no field 'encoder_layers'"):
        search_space(["model.encoder_layers=1,2"], GPTConfig)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("modle.heads=1,2", "'modle.heads' does not exist"),
        ("modle.heads=1,2", "did you mean 'model.heads'?"),
        ("model.head=1,2", "'model' has no field 'head'; did you mean 'heads'?"),
        ("model.label_smoothing=0", "did you mean 'train.label_smoothing'?"),
        ("heads=1,2", "did you mean 'model.heads'?"),
        ("model=1,2", "'model' has no field ''; its fields are family, vocab_size, d_model"),
        ("optim.zzz=1,2", "its fields are name, beta1"),
        ("zzz.zzz=1", "the parts are model, optim, data, train"),
        ("model.heads", "names no values; write part.field=values"),
        ("model.heads=", "model.heads is ''; it must be an integer"),
        ("model.heads=1,two", "model.heads is 'two'; it must be an integer"),
        ("model.heads=1.5", "model.heads is '1.5'; it must be an integer"),
        ("model.dropout=a", "model.dropout is 'a'; it must be a number"),
        ("model.dropout=nan", "it must be finite"),
        ("model.dropout=0.1,1.5", "model.dropout is 1.5; it must be in [0, 1)"),
        ("model.heads=0,1", "model.heads is 0; it must be 1 or more"),
        ("model.norm=pst", "did you mean 'post'?"),
        ("model.tie_output=yes", "it must be a boolean, true or false"),
        ("model.heads=2,2", "lists 2 twice"),
        ("model.norm=post..pre", "is not a number and has no range"),
        ("optim.warmup=200..100", "the range 200..100 is empty"),
        ("optim.warmup=log:0..100", "a logarithm needs more than 0"),
        ("model.dropout=0..2", "it must be in [0, 1)"),
        ("model.vocab_size=10,20", "the trained tokenizer decides it"),
        ("data.corpus=a.tsv,b.tsv", "changes the validation pairs"),
        ("train.validate_every=1,2", "not what it learns"),
    ],
)
def test_a_wrong_axis_is_refused_in_words(text, said):
    with pytest.raises(ConfigError) as refused:
        search_space([text])
    assert said in str(refused.value)


def test_a_sweep_varies_something_and_nothing_twice():
    with pytest.raises(ConfigError, match="needs a field"):
        search_space([])
    with pytest.raises(ConfigError, match=r"model\.heads is given twice"):
        search_space(["model.heads=1,2", "model.heads=4"])
    with pytest.raises(ConfigError, match="no values"):
        search_space({"model.heads": []})
    with pytest.raises(ConfigError, match=r"heads is 'four'"):
        search_space({"model.heads": ["four"]})


def test_heads_that_divide_no_default_width_are_a_matter_of_the_combination():
    assert search_space(["model.heads=3"]) == (Choices("model.heads", (3,)),)
    with pytest.raises(ConfigError, match="does not divide"):
        configure(run_preset("tiny"), {"model.heads": 3})
    together = configure(run_preset("tiny"), {"model.heads": 3, "model.d_model": 96})
    assert (together.model.heads, together.model.d_model) == (3, 96)


@pytest.mark.parametrize(
    "text",
    [
        "model.kv_heads=1,2,4",
        "model.window_pattern=L,LG",
        "model.rotary_theta=1e4,1e6",
        "model.rotary_theta_local=10,100",
        "model.rotary_fraction=0.5,1.0",
        "model.rotary_factor=1,4",
        "model.rotary_original_length=16,32",
        "model.rotary_low_freq_factor=0.5,2",
        "model.rotary_beta_fast=16,64",
        "model.rotary_pattern=RN,RRN",
        "adapters.lora_alpha=1,2",
    ],
)
def test_what_goes_with_another_setting_is_a_matter_of_the_combination(text):
    (axis,) = search_space([text], GPTConfig)
    assert axis.field == text.partition("=")[0]


@pytest.mark.parametrize("config", [f.Config for f in families().values()])
def test_every_setting_of_a_model_may_be_swept_by_itself(config):
    """Whatever another setting it needs: its own default, or another value of its kind."""
    hints = typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        kinds = typing.get_args(hints[field.name])
        of_kind = True if bool in kinds else 2 if {int, float} & set(kinds) else kinds[:1]
        if field.name == "mup_base_width":  # must divide heads and widths of the defaults
            of_kind = 64
        values = [of_kind if field.default is None else field.default]
        if f"model.{field.name}" not in _FIXED and values[0] not in ("", ()):
            search_space({f"model.{field.name}": values}, config)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model.rotary_factor=0.5", r"model\.rotary_factor is 0\.5; it must be 1 or more"),
        ("model.rotary_theta_local=-1", r"model\.rotary_theta_local is -1\.0; it must be > 1"),
        ("adapters.lora_alpha=0", r"adapters\.lora_alpha is 0\.0; it must be > 0"),
    ],
)
def test_a_value_that_goes_with_nothing_is_refused_by_itself(text, message):
    with pytest.raises(ConfigError, match=message):
        search_space([text], GPTConfig)


@given(st.integers(1, 10**6), st.floats(0.0, 0.99), st.sampled_from(["post", "pre"]))
def test_configure_changes_what_it_is_told_and_nothing_else(warmup, dropout, norm):
    base = run_preset("small")
    values = {"optim.warmup": warmup, "model.dropout": dropout, "model.norm": norm}
    made = configure(base, values)
    back = RunConfig(
        model=dataclasses.replace(made.model, dropout=base.model.dropout, norm=base.model.norm),
        optim=dataclasses.replace(made.optim, warmup=base.optim.warmup),
        data=made.data,
        train=made.train,
    )
    assert (made.optim.warmup, made.model.dropout, made.model.norm) == (warmup, dropout, norm)
    assert back == base


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=0, max_value=1e300))
def test_a_number_is_written_so_that_it_reads_back(number):
    axis = Choices("optim.learning_rate", (number,))
    (back,) = search_space([str(axis)])
    assert isinstance(back, Choices)
    assert math.copysign(1, back.values[0]) * abs(back.values[0]) == number
