"""What a loader gets wrong that takes one family for another, each with where it goes wrong.

A quirk is a change of a model's settings under which all weights still fit, so that nothing but a
comparison shows it. Tests switch every quirk of every family, and a bisection has to name the
module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from npformer.models.rotary_config import RotaryConfig


class Quirk(NamedTuple):
    """One mistake."""

    wrong: Callable[[Any], dict[str, Any]]
    """From the right config to the settings that are wrong; none where it cannot be made."""
    at: str
    """The module that goes wrong first, or the one around it; "" is the model itself."""


def _swapped(pattern: str, letters: str) -> str:
    """A pattern with its two letters in each other's place."""
    return pattern.translate(str.maketrans(letters, letters[::-1]))


def _unturned(c: Any) -> dict[str, Any]:
    own = {name: field for name, field in RotaryConfig.__dataclass_fields__.items()}
    names = [name for name in own if name.startswith("rotary_")]
    return {"positions": "none"} | {name: own[name].default for name in names}


def _unstretched(c: Any) -> dict[str, Any]:
    if c.rotary_scaling == "default":
        return {}
    kept = {"rotary_theta", "rotary_theta_local", "rotary_fraction", "rotary_pattern"}
    return {n: v for n, v in _unturned(c).items() if n not in {"positions", *kept}}


WITHOUT_WINDOW: dict[str, Any] = {"window": None, "window_pattern": "", "rotary_theta_local": None}
OTHER_FORM = {
    "gelu": "gelu_tanh",
    "gelu_tanh": "gelu",
    "swiglu": "geglu",
    "geglu": "geglu_tanh",
    "geglu_tanh": "geglu",
}
"""The activation that is taken for another one."""

ATTENTION, ROTATION, NORM = "self_attn", "self_attn.positions", "norm"
ACTIVATION = "feed_forward.activation"

INTERLEAVED = Quirk(lambda c: {"positions": "rotary_interleaved"}, ROTATION)
UNTURNED = Quirk(_unturned, ATTENTION)
UNSTRETCHED = Quirk(_unstretched, ROTATION)
HALVES = Quirk(lambda c: {"positions": "rotary"}, ROTATION)
TURNED_NOWHERE = Quirk(lambda c: {"rotary_pattern": "N"}, ATTENTION)
EPS = Quirk(lambda c: {"layer_norm_eps": 100 * c.layer_norm_eps}, NORM)
SCALE_OF_WIDTH = Quirk(lambda c: {"attention_scale": (c.d_model / c.heads) ** -0.5}, ATTENTION)
SCALE_OF_HEAD = Quirk(lambda c: {"attention_scale": None}, ATTENTION)
UNSCALED = Quirk(lambda c: {"attention_scale": 1.0}, ATTENTION)
OTHER_GELU = Quirk(lambda c: {"activation": OTHER_FORM[c.activation]}, ACTIVATION)
WINDOW_LONGER = Quirk(lambda c: {"window": c.window + 1} if c.window else {}, ATTENTION)
NO_WINDOW = Quirk(lambda c: WITHOUT_WINDOW if c.window else {}, ATTENTION)
ALL_LOCAL = Quirk(lambda c: {"window_pattern": "L"} if c.window else {}, ATTENTION)
OTHERS_LOCAL = Quirk(lambda c: {"window_pattern": _swapped(c.window_pattern, "LG")}, ATTENTION)
ALL_TURN = Quirk(lambda c: {"rotary_pattern": ""}, ATTENTION)
OTHERS_TURN = Quirk(lambda c: {"rotary_pattern": _swapped(c.rotary_pattern, "RN")}, ATTENTION)
ALL_COLUMNS = Quirk(lambda c: {} if c.rotary_short_factor else {"rotary_fraction": 1.0}, ROTATION)
PAIRED_WITHIN = Quirk(lambda c: {"rotary_scaling": "default", "rotary_factor": 1.0}, ROTATION)
ONE_THETA = Quirk(lambda c: {"rotary_theta_local": c.rotary_theta}, ROTATION)
STRETCHED_LOCALLY = Quirk(lambda c: {"rotary_theta_local": None}, ROTATION)
WITHOUT_MEAN = Quirk(lambda c: {"norm_type": "rms_norm"}, NORM)
WITHOUT_ONE = Quirk(lambda c: {"norm_type": "rms_norm"}, NORM)
WITH_ONE = Quirk(lambda c: {"norm_type": "rms_norm_plus_one"}, NORM)
EMBEDDING_UNSCALED = Quirk(lambda c: {"scale_embedding": False}, "")
EMBEDDING_SCALED = Quirk(lambda c: {"scale_embedding": True}, "")
EMBEDDING_UNMULTIPLIED = Quirk(lambda c: {"embedding_multiplier": 1.0}, "")
BRANCHES_UNMULTIPLIED = Quirk(lambda c: {"residual_multiplier": 1.0}, "self_attn_residual")
LOGITS_UNMULTIPLIED = Quirk(lambda c: {"logit_multiplier": 1.0}, "")
SCORES_UNCAPPED = Quirk(lambda c: {"softcap": None}, ATTENTION)
SCORES_CAPPED = Quirk(lambda c: {"softcap": 5.0}, ATTENTION)
LOGITS_UNCAPPED = Quirk(lambda c: {"logit_softcap": None}, "")
VALUES_UNNORMED = Quirk(lambda c: {"value_norm": False}, ATTENTION)
NORMS_FIRST = Quirk(lambda c: {"norm": "pre"}, "self_attn_residual")
SHARES_UNDIVIDED = Quirk(lambda c: {"normalize_expert_weights": False}, "feed_forward")
SHARES_UNSCALED = Quirk(lambda c: {"expert_scale": 1.0}, "feed_forward")
SCORED_BY_SOFTMAX = Quirk(lambda c: {"expert_scoring": "softmax"}, "feed_forward")
GROUPS_IGNORED = Quirk(lambda c: {"kept_expert_groups": None}, "feed_forward")
EXPERTS_UNCLAMPED = Quirk(lambda c: {"activation": "swiglu"}, "feed_forward.experts.activation")
BOUNDS_ROUNDED = Quirk(lambda c: {"rotary_truncate": True}, ROTATION)
SHARES_DIVIDED = Quirk(lambda c: {"normalize_expert_weights": True}, "feed_forward")
EXPERTS_GELU = Quirk(OTHER_GELU.wrong, "feed_forward.experts.activation")
