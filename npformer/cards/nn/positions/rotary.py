"""The card of rotary positions as a module: which token turns by which angle."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.nn.positions.draws import MOST, draw_at, in_one_piece
from npformer.cards.ordinary import only, option
from npformer.cards.strategies import Source, draw_rng, draw_sizes
from npformer.nn.positions import RotaryPositions
from npformer.ops.rotary import rotary_forward
from npformer.ops.rotary_tables import rotary_frequencies

card = ModuleCard.of(RotaryPositions)
card.inputs, card.output = {"x": "BTNH"}, "BTNH"

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
LONGROPE = {
    "rope_type": "longrope",
    "factor": 4.0,
    "original_max_position_embeddings": 8,
    "max_position_embeddings": 8,
}
SCALINGS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"rope_type": "linear", "factor": 4.0},
    {"rope_type": "ntk", "factor": 4.0},
    LLAMA3,
    YARN,
    {**YARN, "truncate": False, "beta_fast": 8.0, "beta_slow": 2.0},
    {**YARN, "mscale": 1.0, "mscale_all_dim": 0.5},
    {**YARN, "attention_factor": 1.5},
    LONGROPE,
    {**LONGROPE, "max_position_embeddings": 32, "attention_factor": 1.5},
    {**LONGROPE, "max_position_embeddings": 32},
    {"rope_type": "proportional", "factor": 2.0},
)


def _of_width(scaling: dict[str, Any] | None, width: int) -> dict[str, Any] | None:
    """With what depends on how many frequencies there are."""
    if scaling is not None and scaling["rope_type"] == "proportional":
        return {**scaling, "partial_rotary_factor": max(width // 2 - 1, 1) / (width // 2)}
    if scaling is None or scaling["rope_type"] != "longrope":
        return scaling
    points = np.arange(width // 2)
    factors = {"short_factor": 1 + points / 8, "long_factor": 1.5 + points / 2}
    return {**scaling, **{name: each.tolist() for name, each in factors.items()}}


def _call(module: Any, inputs: list[Any], keywords: dict[str, Any]) -> Any:
    y, cache = module.rotate(*inputs, **keywords)
    return y, functools.partial(module.rotate_backward, cache=cache)


card.call = _call
card.call_twin = lambda module, inputs, keywords: module.rotate(*inputs, **keywords)


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Both layouts, every scaling, a part of the head or all of it, one axis or three."""
    z = draw_sizes(source, "BTNH", {"H": 2})
    z["H"] = max(z["H"], 2)  # whoever makes a case smaller may ask for less
    width = source.choice(sorted({z["H"] // 2 * 2, max(z["H"] // 4 * 2, 2)}))
    settings: dict[str, Any] = {
        "theta": source.choice((10_000.0, 100.0)),
        "scaling": _of_width(source.choice(SCALINGS), width),
    }
    at = draw_at(source, z["B"], z["T"])
    if source.choice((False, True)):
        left = width // 2 - 2 * (width // 6)
        settings["sections"] = (left, width // 6, width // 6)
        settings["interleaved_sections"] = source.choice((False, True))
        if isinstance(at, np.ndarray):
            at = draw_rng(source).integers(0, MOST, (3, *at.shape))
    build = (MOST + z["T"], width, source.choice(("half", "interleaved")))
    return z, {"build": build, "settings": settings, "at": at}


@card.invariant("a head's length is m times what it was, m YaRN's factor", "factor-forgotten")
def _length(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Of the columns that turn; dx likewise."""
    width, settings = case.static["build"][1], case.static["settings"]
    m = rotary_frequencies(width, settings["theta"], settings["scaling"]).factor
    for name, array in (("y", case.inputs["x"]), ("dx", case.dy)):
        before, after, size = (
            np.square(a[..., :width].astype(np.float64)).sum(axis=-1)
            for a in (array, result[name], scales[name])
        )
        yield Finding(after, m**2 * before, 4 * size)


@card.invariant("moved by as many positions, tokens keep their products", broken_by="off-by-one")
def _difference(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """A score depends on how far two tokens are apart, and not on where they are."""
    at = case.static["at"]
    last = int(np.max(at, initial=0)) if isinstance(at, np.ndarray) else at + case.dy.shape[1]
    if last + 1 >= case.static["build"][0]:
        return  # the table ends
    later = Case(case.inputs, {**case.static, "at": at + 1}, case.dy)
    moved, here = component.forward(later).astype(np.float64), result["y"].astype(np.float64)
    size = scales["y"].astype(np.float64)
    products = [np.einsum("btnh,bsnh->bnts", each, each) for each in (moved, here, size)]
    # Angles of float64 are off by as much as they are large.
    yield Finding(products[0], products[1], 64 * products[2])


def _no_scaling(case: Any) -> bool:
    return case.static["settings"]["scaling"] is None


@card.wrong_method(
    "positions-ignored",
    "given positions are ignored: every token gets its place in the row",
    RotaryPositions.rotate,
    seen="NVIDIA/Megatron-LM#453",
    smallest="x (1, 1, 1, 2), at (1,)",
    missed_by=only("sentences in one piece", lambda case: in_one_piece(case.static)),
)
def _ignored(self, x, at=0):
    return self.rotate(x, 0 if isinstance(at, np.ndarray) else at)


@card.wrong_method(
    "from-the-start",
    "a later piece of a sentence is turned as its beginning",
    RotaryPositions.rotate,
    seen="NVIDIA-NeMo/Automodel#2377",
    smallest="x (1, 1, 1, 2)",
    missed_by=option("sentences in one piece", at=0),
)
def _from_the_start(self, x, at=0):
    return self.rotate(x, at if isinstance(at, np.ndarray) else 0)


@card.wrong_method("first-sentence", "every sentence gets the first one's positions",
                   RotaryPositions.rotate)  # fmt: skip
def _first_sentence(self, x, at=0):
    if isinstance(at, np.ndarray) and at.ndim > 1 and len(x) and self._axes is None:
        at = at[0]
    return self.rotate(x, at)


@card.wrong_method("first-axis", "every point is turned by the position on the first axis",
                   RotaryPositions.rotate)  # fmt: skip
def _first_axis(self, x, at=0):
    if isinstance(at, np.ndarray) and self._axes is not None:
        at = np.broadcast_to(at[:1], at.shape)
    return self.rotate(x, at)


@card.wrong_method("off-by-one", "positions begin at 1 where the table begins at 0",
                   RotaryPositions.rotate)  # fmt: skip
def _by_one(self, x, at=0):
    return self.rotate(x, np.maximum(at - 1, 0) if isinstance(at, np.ndarray) else max(at - 1, 0))


@card.wrong_method(
    "scaling-ignored",
    "the scaling is read and not applied: right at position 0, and ever less so",
    rotary_frequencies,
    seen="Blaizzy/mlx-vlm#1710",
    smallest="x (1, 1, 1, 2)",
    missed_by=only("no scaling", _no_scaling),
)
def _unscaled(width, theta=10_000.0, scaling=None):
    return rotary_frequencies(width, theta)


@card.wrong_method(
    "factor-forgotten",
    "of YaRN the frequencies are taken and the factor on cosines and sines is not",
    rotary_frequencies,
    seen="turboderp-org/exllamav3#259",
    smallest="x (1, 1, 1, 2)",
    missed_by=only("no scaling", _no_scaling),
)
def _no_factor(width, theta=10_000.0, scaling=None):
    return rotary_frequencies(width, theta, scaling)._replace(factor=1.0)


@card.wrong_method(
    "factor-twice",
    "the factor that a configuration gives is multiplied with the computed one",
    rotary_frequencies,
    seen="sgl-project/sglang#33558",
    smallest="x (1, 1, 1, 2)",
    missed_by=only(
        "no factor given", lambda case: "attention_factor" not in (
            case.static["settings"]["scaling"] or {}
        )
    ),
)  # fmt: skip
def _factor_twice(width, theta=10_000.0, scaling=None):
    found = rotary_frequencies(width, theta, scaling)
    if "attention_factor" not in (scaling or {}):
        return found
    own = rotary_frequencies(width, theta, {**scaling, "attention_factor": None}).factor
    return found._replace(factor=found.factor * own)


@card.wrong_method("linear-for-all", "every frequency is divided by the factor, whatever the kind "
                   "of scaling", rotary_frequencies)  # fmt: skip
def _linear(width, theta=10_000.0, scaling=None):
    found = rotary_frequencies(width, theta, scaling)
    if scaling is None:
        return found
    return found._replace(frequencies=rotary_frequencies(width, theta)[0] / scaling["factor"])


@card.wrong_method("width-of-the-head", "frequencies are spread over the head, not over the part "
                   "that turns", RotaryPositions.rotate)  # fmt: skip
def _spread(self, x, at=0):
    y, cache = self.rotate(x, at)
    width, head = 2 * cache.cos.shape[-1], x.shape[-1]
    angles = np.arctan2(cache.sin.astype(np.float64), cache.cos)
    size = np.hypot(cache.sin.astype(np.float64), cache.cos)
    cos, sin = ((size * f(angles * width / head)).astype(x.dtype) for f in (np.cos, np.sin))
    return rotary_forward(x, cos, sin, layout=self.layout)


@card.wrong_method("short-for-long", "a model for long texts divides by the list for short ones",
                   rotary_frequencies)  # fmt: skip
def _short(width, theta=10_000.0, scaling=None):
    if scaling is not None and "short_factor" in scaling:
        scaling = {**scaling, "long_factor": scaling["short_factor"]}
    return rotary_frequencies(width, theta, scaling)


@card.wrong_method("multiplied-by-the-list", "frequencies are multiplied by the list's numbers, as "
                   "wavelengths are", rotary_frequencies)  # fmt: skip
def _multiplied(width, theta=10_000.0, scaling=None):
    found = rotary_frequencies(width, theta, scaling)
    if scaling is None or "short_factor" not in scaling:
        return found
    plain = rotary_frequencies(width, theta).frequencies
    return found._replace(frequencies=plain * plain / found.frequencies)


@card.wrong_method("yarn-s-factor", "longrope's cosines and sines have the factor of YaRN",
                   rotary_frequencies)  # fmt: skip
def _of_yarn(width, theta=10_000.0, scaling=None):
    found = rotary_frequencies(width, theta, scaling)
    if scaling is None or "short_factor" not in scaling or scaling.get("attention_factor"):
        return found
    return found._replace(factor=0.1 * float(np.log(scaling["factor"])) + 1)


@card.wrong_method("pairs-within-the-part", "a part of the points turns, and columns are paired "
                   "within that part of the head", RotaryPositions.rotate)  # fmt: skip
def _within(self, x, at=0):
    points = int((self.tables.sin != 0).any(axis=0).sum())  # those that turn at all
    cos, sin = (self._rows(table, at, x.shape[1]) for table in (self.tables.cos, self.tables.sin))
    return rotary_forward(x, cos[..., :points], sin[..., :points], layout=self.layout)


@card.wrong_method("speeds-of-the-part", "frequencies are spread over the points that turn, not "
                   "over the whole head", rotary_frequencies)  # fmt: skip
def _speeds(width, theta=10_000.0, scaling=None):
    found = rotary_frequencies(width, theta, scaling)
    if scaling is None or "partial_rotary_factor" not in scaling:
        return found
    points = int((found.frequencies > 0).sum())
    spread = np.zeros_like(found.frequencies)
    spread[:points] = theta ** (-np.arange(points) / points) / scaling["factor"]
    return found._replace(frequencies=spread)
