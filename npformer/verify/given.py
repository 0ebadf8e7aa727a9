"""Check an op on arrays that somebody hands in, after a look at what they are."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from npformer.cards.case import Case
from npformer.errors import VerifyError, nearest
from npformer.verify.components.op_component import OpComponent
from npformer.verify.components.registry import component
from npformer.verify.judge import check_case
from npformer.verify.verdict import Verdict

Array = np.ndarray


def check_arrays(
    name: str,
    inputs: Mapping[str, Array],
    dy: Array | None = None,
    seed: int = 0,
    **static: Any,
) -> Verdict:
    """Every oracle's opinion of one op on given arrays.

    Args:
        name: an op of the registry.
        inputs: the arrays that get a gradient, by argument name; all float32 or all float64.
        dy: the upstream gradient; drawn at random from ``seed`` if it is not given.
        seed: also of the directional derivative's direction.
        static: the op's other arguments (ids, mask, axis ...), as the forward takes them. For
            dropout, ``rng`` is a seed.

    Raises:
        VerifyError: no such op, an argument missing or unknown, dtypes mixed or not floating
            point, shapes that the op refuses, or a NaN (it says in which array and where).
    """
    chosen = _op(name)
    arguments = inspect.signature(chosen.pair[0]).parameters
    for given in (*inputs, *static):
        if given not in arguments:
            raise VerifyError(
                f"{name} takes no argument {given!r}; it takes {', '.join(arguments)}"
                + nearest(given, arguments)
            )
    for argument, parameter in arguments.items():
        if argument in inputs or argument in static:
            continue
        if parameter.default is inspect.Parameter.empty:
            raise VerifyError(f"{name} needs the argument {argument!r}")
        static[argument] = parameter.default
    arrays = {n: inputs[n] for n in arguments if n in inputs}
    _look_at({**arrays, **({} if dy is None else {"dy": dy})})
    without_dy = Case(arrays, {n: v for n, v in static.items() if v is not None or n != "bias"},
                      np.zeros(0, next(iter(arrays.values())).dtype))  # fmt: skip
    try:
        y = chosen.forward(without_dy)
    except Exception as error:
        raise VerifyError(f"{name} refuses these arrays: {error}") from error
    rng = np.random.default_rng(seed)
    if dy is None:
        dy = np.asarray(rng.standard_normal(y.shape), y.dtype)
    elif dy.shape != y.shape:
        raise VerifyError(f"dy has shape {dy.shape}; the output of {name} has {y.shape}")
    return check_case(chosen, Case(arrays, without_dy.static, dy), rng)


def separate(name: str, arrays: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Any]]:
    """An op's arguments as ``check_arrays`` takes them: those that get a gradient, and the rest.

    A floating-point array gets one, unless the forward takes it by keyword only, as it does class
    weights. An array without axes becomes the number in it.
    """
    parameters = inspect.signature(_op(name).pair[0]).parameters

    def differentiated(argument: str, array: Array) -> bool:
        known = parameters.get(argument)
        keyword = known is not None and known.kind is inspect.Parameter.KEYWORD_ONLY
        return array.ndim > 0 and array.dtype.kind == "f" and not keyword

    inputs = {n: a for n, a in arrays.items() if differentiated(n, a)}
    static = {n: a if a.ndim else a.item() for n, a in arrays.items() if n not in inputs}
    return inputs, static


def _op(name: str) -> OpComponent:
    chosen = component(name)
    if not isinstance(chosen, OpComponent):
        raise VerifyError(f"{name!r} is a {chosen.kind}; arrays can be given to ops only")
    return chosen


def _look_at(arrays: Mapping[str, Array]) -> None:
    if not arrays:
        raise VerifyError("no array was given")
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype not in (np.float32, np.float64):
            kind = getattr(array, "dtype", type(array).__name__)
            raise VerifyError(f"{name!r} is {kind}; it must be a float32 or float64 array")
        if np.isnan(array).any():
            index = tuple(int(i) for i in np.argwhere(np.isnan(array))[0])
            raise VerifyError(f"{name!r} holds NaN, first at {index}; no oracle can judge that")
    if len({array.dtype for array in arrays.values()}) > 1:
        listed = ", ".join(f"{name} {array.dtype}" for name, array in arrays.items())
        raise VerifyError(f"all arrays must have one dtype; these have {listed}")
