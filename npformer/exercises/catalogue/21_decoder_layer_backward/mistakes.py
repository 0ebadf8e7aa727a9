"""Wrong ways to write this exercise, beyond those of the catalogue of mutants."""


def _residual(residual, dy, cache, sublayer_backward, *, skip=1, branch=1, again=0, inner=True):
    """A residual's backward with other shares of its two paths, or a norm left out."""
    dsum = dy if residual.pre_norm else residual.norm.backward(dy, cache.norm)
    dh = residual.dropout.backward(dsum, cache.dropout)
    dh = sublayer_backward(dh, cache.sublayer)
    dh, *others = dh if isinstance(dh, tuple) else (dh,)
    if residual.pre_norm and inner:
        dh = residual.norm.backward(dh, cache.norm)
    return skip * dsum + branch * dh + again * dy, *others


ALL = ("feed_forward", "cross_attn", "self_attn")
SAID = {
    "feed_forward": "the feed-forward network",
    "cross_attn": "cross-attention",
    "self_attn": "self-attention",
}


def _backward(*, skips=ALL, branches=ALL, again=(), bare=(), lost=(), inner=True, chained=True):
    """A backward with some of its terms left out, or, in ``again``, counted twice.

    The sub-layers of ``bare`` lack their residual; the dx of those in ``lost`` is not used.
    """

    def backward(layer, dy, cache):
        dx, dmemory = dy, None
        for name in ALL:
            upstream, own = dx if chained else dy, getattr(cache, name)
            sublayer = getattr(layer, name).backward
            if name in bare:
                found = sublayer(upstream, own.sublayer)
                found = found if isinstance(found, tuple) else (found,)
            else:
                found = _residual(
                    getattr(layer, f"{name}_residual"), upstream, own, sublayer, inner=inner,
                    skip=name in skips, branch=name in branches, again=name in again,
                )  # fmt: skip
            dx = dx if name in lost else found[0]
            dmemory = found[1] if len(found) > 1 else dmemory
        return dx, dmemory

    return {"layer_backward": backward}


def _forward_order(layer, dy, cache):
    dx = layer.self_attn_residual.backward(dy, cache.self_attn, layer.self_attn.backward)
    dx, dmemory = layer.cross_attn_residual.backward(
        dx, cache.cross_attn, layer.cross_attn.backward
    )
    dx = layer.feed_forward_residual.backward(dx, cache.feed_forward, layer.feed_forward.backward)
    return dx, dmemory


MISTAKES = [
    *((f"the skip path around {SAID[name]} is dropped",
       _backward(skips=[n for n in ALL if n != name])) for name in ALL),
    ("the skip paths are dropped: x gets the branches' gradients alone", _backward(skips=())),
    *((f"the branch through {SAID[name]} is dropped: x gets the skip path's gradient alone",
       _backward(branches=[n for n in ALL if n != name])) for name in ALL),
    *((f"the skip path around {SAID[name]} counts twice: the residual's backward has added it",
       _backward(again=(name,))) for name in ALL),
    *((f"{SAID[name]} is walked back without its residual: no skip path, no norm, no dropout",
       _backward(bare=(name,))) for name in ALL),
    ("the sub-layers are walked back without their residuals: no skip path, no norm, no dropout",
     _backward(bare=ALL)),
    *((f"the dx of {SAID[name]}'s residual is lost: the next starts from the one before it",
       _backward(lost=(name,))) for name in ALL),
    ("in pre-norm the norm of the branches is left out", _backward(inner=False)),
    ("the residuals are walked in the order of the forward, not from the last to the first",
     {"layer_backward": _forward_order}),
    ("every residual starts from dy, not from the dx of the one after it",
     _backward(chained=False)),
]  # fmt: skip
