"""What a sweep varies: fields of the configuration, each with values or a range.

    model.heads=1,2,4,8               these values
    train.label_smoothing=0.0..0.2    any number from the first to the second
    optim.warmup=log:100..2000        the same, with as many draws from each factor

A field is named as in ``RunConfig``: its part, a full stop, its name. What one value alone makes
wrong is refused here; a *combination* that no model can have, such as heads that do not divide
d_model, is for the trial that draws it.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from npformer.config import ModelConfig, RunConfig
from npformer.errors import ConfigError, nearest
from npformer.models.transformer import TransformerConfig

Value = int | float | str | bool | None

Parts = Mapping[str, type]
"""The parts of a run's configuration, by the names of their fields."""
_OTHER_VALIDATION = "it changes the validation pairs, and trials would not compare"
_ONLY_LOOKS = "it changes how a run is watched, not what it learns"
_FIXED = {
    "model.vocab_size": "the trained tokenizer decides it; sweep data.vocab_size",
    "model.padding_id": "the tokenizer decides it",
    "model.source_vocab_size": "the tokenizer decides it",
    "model.family": "name it with --model",
    "model.max_length": _OTHER_VALIDATION,
    "data.corpus": _OTHER_VALIDATION,
    "data.validation": _OTHER_VALIDATION,
    "data.columns": _OTHER_VALIDATION,
    "data.source_language": _OTHER_VALIDATION,
    "data.target_language": _OTHER_VALIDATION,
    "train.validate_every": _ONLY_LOOKS,
    "train.validation_pairs": _ONLY_LOOKS,
    "train.checkpoint_every": _ONLY_LOOKS,
    "train.keep": _ONLY_LOOKS,
}
CHANGES_TOKENS = frozenset({"data.pairs", "data.tokenizer", "data.vocab_size"})
"""Fields that change what a token is: losses for each token then do not compare, BLEU does."""


@dataclass(frozen=True)
class Choices:
    """A field and the values that it takes, in the order given."""

    field: str
    values: tuple[Value, ...]

    def __str__(self) -> str:
        return f"{self.field}={','.join(map(show, self.values))}"


@dataclass(frozen=True)
class Range:
    """A field and the interval that it is drawn from, both ends included."""

    field: str
    low: int | float
    high: int | float
    log: bool = False
    """Draw the logarithm evenly, not the number."""

    def __str__(self) -> str:
        return f"{self.field}={'log:' * self.log}{show(self.low)}..{show(self.high)}"


Axis = Choices | Range


def search_space(
    over: Mapping[str, Any] | Sequence[str], model: type[ModelConfig] = TransformerConfig
) -> tuple[Axis, ...]:
    """``{"model.heads": [1, 2], "optim.warmup": "log:100..2000"}``, or ``["model.heads=1,2"]``.

    ``model`` is the configuration of the family whose fields ``model.*`` are.

    Raises ``ConfigError`` for a field that does not exist, cannot be swept, comes twice, or has a
    value that it can never have.
    """
    pairs = list(over.items()) if isinstance(over, Mapping) else [_halves(text) for text in over]
    if not pairs:
        raise ConfigError(
            "a sweep needs a field to vary, part.field=values; for example model.heads=1,2,4"
        )
    parts: Parts = {**typing.get_type_hints(RunConfig), "model": model}
    axes = tuple(_axis(parts, _field(parts, name), given) for name, given in pairs)
    names = [axis.field for axis in axes]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"{twice[0]} is given twice; list all of its values once")
    return axes


def configure(base: RunConfig, values: Mapping[str, Value]) -> RunConfig:
    """``base`` with some fields changed; ``ConfigError`` if they do not go together."""
    changes: dict[str, dict[str, Value]] = {}
    for name, value in values.items():
        part, _, field = name.partition(".")
        changes.setdefault(part, {})[field] = value
    parts: dict[str, Any] = {
        part: dataclasses.replace(getattr(base, part), **fields) for part, fields in changes.items()
    }
    return dataclasses.replace(base, **parts)


def show(value: Value) -> str:
    """A value as it is written in ``--over``; reading it back gives the same value."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _halves(text: str) -> tuple[str, str]:
    name, equals, given = text.partition("=")
    if not equals:
        raise ConfigError(
            f"{text!r} names no values; write part.field=values, for example model.heads=1,2,4"
        )
    return name, given


def _field(parts: Parts, name: str) -> str:
    """The full name of an existing field that a sweep may vary."""
    part, _, field = name.strip().replace("-", "_").partition(".")
    known = [f"{p}.{f.name}" for p, cls in parts.items() for f in dataclasses.fields(cls)]
    full = f"{part}.{field}"
    if full not in known:
        own = [f.name for f in dataclasses.fields(parts[part])] if part in parts else []
        elsewhere = [other for other in known if other.endswith(f".{field or part}")]
        hint = f"; did you mean {' or '.join(map(repr, elsewhere))}?" if elsewhere else ""
        if own:
            hint = hint or nearest(field, own) or f"; its fields are {', '.join(own)}"
            raise ConfigError(f"{part!r} has no field {field!r}{hint}")
        raise ConfigError(
            f"field {name!r} does not exist; a field is part.name, and the parts are "
            f"{', '.join(parts)}{hint or nearest(full, known)}"
        )
    if full in _FIXED:
        raise ConfigError(f"{full} cannot be swept: {_FIXED[full]}")
    return full


def _axis(parts: Parts, field: str, given: Any) -> Axis:
    if isinstance(given, str):
        text = given.strip()
        if ".." in text:
            return _range(parts, field, text)
        given = [_read(parts, field, word.strip()) for word in text.split(",")]
    elif not isinstance(given, Sequence):
        given = [given]
    values = tuple(given)
    if not values:
        raise ConfigError(f"{field} has no values to try")
    for value in values:
        _check(parts, field, value)
        if values.count(value) > 1:
            raise ConfigError(f"{field} lists {show(value)} twice")
    return Choices(field, values)


def _range(parts: Parts, field: str, text: str) -> Range:
    kinds = _kinds(parts, field)
    kind = float if float in kinds else int
    log = text.startswith("log:")
    if kind not in kinds:
        raise ConfigError(f"{field} is not a number and has no range; list its values")
    low, _, high = text.removeprefix("log:").partition("..")
    ends = [_number(field, end.strip(), kind) for end in (low, high)]
    if ends[0] >= ends[1]:
        raise ConfigError(f"{field}: the range {text} is empty; write it as low..high")
    if log and ends[0] <= 0:
        raise ConfigError(f"{field}: {text} begins at {ends[0]}; a logarithm needs more than 0")
    for end in ends:
        _check(parts, field, end)
    return Range(field, ends[0], ends[1], log)


def _kinds(parts: Parts, field: str) -> tuple[Any, ...]:
    """The types that the field declares; for a choice of words, the words."""
    part, _, name = field.partition(".")
    hint = typing.get_type_hints(parts[part])[name]
    if typing.get_origin(hint) is Literal or isinstance(hint, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def _read(parts: Parts, field: str, word: str) -> Value:
    kinds = _kinds(parts, field)
    if word.lower() == "none" and types.NoneType in kinds:
        return None
    if bool in kinds:
        if word.lower() not in ("true", "false"):
            raise ConfigError(f"{field} is {word!r}; it must be a boolean, true or false")
        return word.lower() == "true"
    if int in kinds or float in kinds:
        return _number(field, word, float if float in kinds else int)
    return word


def _number(field: str, word: str, kind: type) -> int | float:
    try:
        number = kind(word)
    except ValueError:
        what = "an integer" if kind is int else "a number"
        raise ConfigError(f"{field} is {word!r}; it must be {what}") from None
    if not math.isfinite(number):
        raise ConfigError(f"{field} is {word!r}; it must be finite")
    return number


def _check(parts: Parts, field: str, value: Any) -> None:
    """Raise ``ConfigError`` for a value that the field cannot have whatever the others are."""
    part, _, name = field.partition(".")
    found: list[str] = []
    for others in _surroundings(parts[part], name, value):
        try:
            parts[part](**{**others, name: value})
        except ConfigError as error:
            found.append(str(error))
        else:
            return
    # The others fit where the value itself is what is named as wrong.
    own = [
        error for error in found if error.startswith((f"{name} is {value}", f"{name} is {value!r}"))
    ]
    raise ConfigError(f"{part}.{(own or found)[0]}")


def _surroundings(cls: Any, name: str, value: Any) -> Iterator[dict[str, Any]]:
    """Other settings, of which some go with every value of the field that some configuration has.

    A part has settings that are for some values of others alone: those of rotary positions for
    example. So all values of these others are tried.
    """
    counts = type(value) is int and value > 0
    yield {}
    fields, hints = {f.name for f in dataclasses.fields(cls)}, typing.get_type_hints(cls)
    own: dict[str, Any] = {"heads": 1} if "heads" in fields else {}  # one head divides every width
    if name in ("heads", "kv_heads", "global_kv_heads") and counts:
        own = {"d_model": value, "heads": value}  # each number of heads divides some width
    if name.startswith("global_"):
        own["window_pattern"] = "LG"
    if name == "input_bits":
        own = {"weight_bits": 8}
    if name == "stream_mixing":
        own = {"streams": 2, "norm": "pre"}
    if name.startswith("per_layer"):
        own = {"per_layer_size": 2, "activation": "gelu"}
    if name == "value_tables" and counts:
        own["layers"] = 2 * value
    if name == "per_layer_vocab" and counts:
        own["vocab_size"] = value
    several = value if counts else 2
    if "experts" in fields:
        for groups in (1, several):
            yield {"experts": 2 * several, "expert_groups": groups}
    if "latent_size" in fields:  # the key that heads share is a part of the columns that turn
        turning = {"positions": "rotary", "rotary_fraction": 0.5, "head_size": 4}
        yield {"latent_size": 2, "attention_bias": "none", **turning}
    if "delta_pattern" in fields:
        yield {"delta_pattern": "DA", "delta_heads": several}
    if "predict_ahead" in fields:
        yield {"predict_ahead": 1}
    tried: dict[str, tuple[Any, ...]] = {
        "lora": (1,),
        "window": (1, None),
        "share_embeddings": (True, False),
        "rotary_original_length": (0, 64),
        **{
            word: typing.get_args(hints.get(word))
            for word in ("positions", "rotary_scaling", "prefer")
        },
    }
    tried = {other: values for other, values in tried.items() if other in fields}
    for values in itertools.product(*tried.values()):
        yield {**own, **dict(zip(tried, values, strict=True))}
