"""How fast heads turn, as published configs say it, old and new, as settings of a model.

New ones have a table ``rope_parameters``, or a table of such tables by the kind of layer; older
ones have ``rope_theta`` and ``rope_scaling``, and perhaps ``rope_local_base_freq``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from npformer.errors import ConfigError
from npformer.pretrained.fields import Fields

GLOBAL, LOCAL = "full_attention", "sliding_attention"
"""Kinds of layers, by the names that configs have for them."""

SCALINGS: dict[str, dict[str, str]] = {
    "default": {},
    "linear": {"factor": "rotary_factor"},
    "proportional": {"factor": "rotary_factor"},
    "llama3": {
        "factor": "rotary_factor",
        "original_max_position_embeddings": "rotary_original_length",
        "low_freq_factor": "rotary_low_freq_factor",
        "high_freq_factor": "rotary_high_freq_factor",
    },
    "yarn": {
        "factor": "rotary_factor",
        "original_max_position_embeddings": "rotary_original_length",
        "beta_fast": "rotary_beta_fast",
        "beta_slow": "rotary_beta_slow",
        "attention_factor": "rotary_attention_factor",
        "truncate": "rotary_truncate",
    },
    "longrope": {
        "factor": "rotary_factor",
        "original_max_position_embeddings": "rotary_original_length",
        "short_factor": "rotary_short_factor",
        "long_factor": "rotary_long_factor",
        "attention_factor": "rotary_attention_factor",
    },
}
"""Of each kind of scaling, what it has, and the settings that these are."""


def rotation(
    fields: Fields,
    theta: float,
    theta_local: float | None = None,
    *,
    fraction: float = 1.0,
    renamed: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The settings of rotary positions; ``theta`` and ``fraction`` where the config says none.

    A family whose local layers have frequencies of their own gives ``theta_local``; ``renamed`` are
    older names of kinds of scaling. Raises ConfigError for a kind of scaling or a number of it that
    npformer has not.
    """
    tables = _tables(fields, theta, theta_local, fraction)
    settings = _settings(tables[GLOBAL], renamed or {})
    if LOCAL in tables:
        local = _settings(tables[LOCAL], renamed or {})
        if local["rotary_scaling"] != "default":
            raise ConfigError("the config stretches the rotation of local layers; npformer has not")
        proportional = settings["rotary_scaling"] == "proportional"  # with which these turn whole
        if local["rotary_fraction"] != (1.0 if proportional else settings["rotary_fraction"]):
            raise ConfigError(
                "the config turns another share of a head in local layers; npformer has not"
            )
        settings["rotary_theta_local"] = local["rotary_theta"]
    return settings


def _tables(
    fields: Fields, theta: float, theta_local: float | None, fraction: float = 1.0
) -> dict[str, dict[str, Any]]:
    """By kind of layer, each with a ``rope_theta``."""
    own = fields.given("rope_parameters", {})
    scaling = fields.given("rope_scaling", {})
    theta = fields.given("rope_theta", theta)
    fraction = fields.given("partial_rotary_factor", fraction)
    theta_local = fields.given("rope_local_base_freq", theta_local)
    if not isinstance(own, dict) or not isinstance(scaling, dict):
        raise ConfigError("rope_parameters and rope_scaling must be tables of fields")
    by_kind = GLOBAL in own or LOCAL in own
    base = {"rope_theta": theta, "partial_rotary_factor": fraction}
    tables = {GLOBAL: {**base, **scaling, **(own.get(GLOBAL) or {} if by_kind else own)}}
    if theta_local is not None:
        local = own.get(LOCAL) or {} if by_kind else {}
        tables[LOCAL] = {**base, "rope_theta": theta_local, **local}
    elif unread := own.keys() - {GLOBAL} if by_kind else set():
        raise ConfigError(f"rope_parameters has {sorted(unread)[0]!r}, a kind of layer that is not")
    return tables


def _settings(table: Mapping[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
    table = dict(table)
    kind = table.pop("rope_type", table.pop("type", "default"))
    table.pop("type", None)
    kind = renamed.get(kind, kind)
    settings = {
        "rotary_theta": float(table.pop("rope_theta")),
        "rotary_fraction": float(table.pop("partial_rotary_factor")),
        "rotary_scaling": kind,
    }
    if kind == "dynamic":  # which stretches texts longer than those of training, and none here is
        table.pop("factor", None)
        kind = settings["rotary_scaling"] = "default"
    if kind not in SCALINGS:
        has = ", ".join((*SCALINGS, "dynamic"))
        raise ConfigError(f"the config's rope_type is {kind!r}; npformer has {has}")
    if kind == "yarn":
        _to_factor(table)
    for name, value in table.items():
        if name not in SCALINGS[kind]:
            raise ConfigError(f"rope_type {kind!r} has {name} {value!r}, which npformer has not")
        settings[SCALINGS[kind][name]] = tuple(value) if isinstance(value, list) else value
    return settings


def _to_factor(table: dict[str, Any]) -> None:
    """Replace mscale and mscale_all_dim by the factor of cosines and sines, their quotient."""
    both = [table.pop(name, None) for name in ("mscale", "mscale_all_dim")]
    if all(both) and table.get("attention_factor") is None:
        above, below = (_stretched(table["factor"], each) for each in both)
        table["attention_factor"] = above / below


def stretched_scale(fields: Fields) -> float:
    """What a family whose heads turn in part multiplies scores by, where they are stretched."""
    table = _tables(fields, 1.0, None)[GLOBAL]
    kind = table.get("rope_type", table.get("type", "default"))
    of_all = table.get("mscale_all_dim")
    return _stretched(table["factor"], of_all) ** 2 if of_all and kind != "default" else 1.0


def _stretched(factor: float, share: float) -> float:
    """YaRN's growth of a score's factors, ``share`` of it, for texts that are so much longer."""
    return 0.1 * share * math.log(max(factor, 1.0)) + 1
