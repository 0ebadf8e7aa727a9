"""Wrong ways to walk back through a layer: some terms left out, counted twice or exchanged."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

SAID = {
    "feed_forward": "the feed-forward network",
    "cross_attn": "cross-attention",
    "self_attn": "self-attention",
}


def walked_back(
    *order: str,
    skips: Collection[str] | None = None,
    branches: Collection[str] | None = None,
    norms: Collection[str] | None = None,
    again: Collection[str] = (),
    twice: Collection[str] = (),
    bare: Collection[str] = (),
    lost: Collection[str] = (),
    chained: bool = True,
    summed: bool = False,
) -> dict[str, Callable[..., Any]]:
    """A ``layer_backward`` that walks back through the sub-layers in this order.

    The skip paths, branches and (in pre-norm) norms are those of the sub-layers named, of all if
    None. Those in ``again`` add dy once more, in ``twice`` call their sub-layer's backward twice,
    in ``bare`` lack their residual, and the dx of those in ``lost`` is not used. Not ``chained``,
    each starts from dy; ``summed``, the last two results are added.
    """

    def backward(layer: Any, dy: Any, cache: Any) -> Any:
        dx, before, dmemory = dy, dy, None
        for name in order:
            upstream, own = dx if chained else dy, getattr(cache, name)
            sublayer = getattr(layer, name).backward
            if name in bare:
                found = _several(sublayer(upstream, own.sublayer))
            else:
                residual = getattr(layer, f"{name}_residual")
                dsum = upstream if residual.pre_norm else residual.norm.backward(upstream, own.norm)
                dh = residual.dropout.backward(dsum, own.dropout)
                if name in twice:
                    sublayer(dh, own.sublayer)
                dh, *others = _several(sublayer(dh, own.sublayer))
                if residual.pre_norm and _holds(name, norms):
                    dh = residual.norm.backward(dh, own.norm)
                skip, branch = _holds(name, skips), _holds(name, branches)
                found = skip * dsum + branch * dh + (name in again) * upstream, *others
            before, dx = dx, dx if name in lost else found[0]
            dmemory = found[1] if len(found) > 1 else dmemory
        dx = before + dx if summed else dx
        return dx if dmemory is None else (dx, dmemory)

    return {"layer_backward": backward}


def _several(found: Any) -> tuple[Any, ...]:
    return found if isinstance(found, tuple) else (found,)


def _holds(name: str, names: Collection[str] | None) -> bool:
    return names is None or name in names
