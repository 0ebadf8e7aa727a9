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


def _bare(residual, dy, cache, sublayer_backward):
    """The sub-layer's backward without its residual."""
    return (sublayer_backward(dy, cache.sublayer),)


def _residual_of(**changes):
    return lambda *arguments: _residual(*arguments, **changes)


def _backward(outer=_residual, inner=_residual, own_dy=False, summed=False):
    """The backward with another residual around the feed-forward network or self-attention."""

    def backward(layer, dy, cache):
        (dx,) = outer(
            layer.feed_forward_residual, dy, cache.feed_forward, layer.feed_forward.backward
        )
        (found,) = inner(
            layer.self_attn_residual,
            dy if own_dy else dx,
            cache.self_attn,
            layer.self_attn.backward,
        )
        return dx + found if summed else found

    return {"layer_backward": backward}


def _twice(residual, dy, cache, sublayer_backward):
    def twice(dh, sublayer_cache):
        sublayer_backward(dh, sublayer_cache)
        return sublayer_backward(dh, sublayer_cache)

    return _residual(residual, dy, cache, twice)


def _in_order(layer, dy, cache):
    dx = layer.self_attn_residual.backward(dy, cache.self_attn, layer.self_attn.backward)
    return layer.feed_forward_residual.backward(dx, cache.feed_forward, layer.feed_forward.backward)


def _only_attention(layer, dy, cache):
    return layer.self_attn_residual.backward(dy, cache.self_attn, layer.self_attn.backward)


def _only_feed_forward(layer, dy, cache):
    return layer.feed_forward_residual.backward(dy, cache.feed_forward, layer.feed_forward.backward)


_without_skip, _without_branch = _residual_of(skip=0), _residual_of(branch=0)
_norm_left_out = _residual_of(inner=False)

MISTAKES = [
    ("self-attention is walked back without its residual: no skip path, no norm, no dropout",
     _backward(inner=_bare)),
    ("the feed-forward network is walked back without its residual: no skip path, no norm, no "
     "dropout", _backward(outer=_bare)),
    ("the sub-layers are walked back without their residuals: no skip path, no norm, no dropout",
     _backward(outer=_bare, inner=_bare)),
    ("the skip path around self-attention is dropped", _backward(inner=_without_skip)),
    ("the skip path around the feed-forward network is dropped", _backward(outer=_without_skip)),
    ("both skip paths are dropped", _backward(outer=_without_skip, inner=_without_skip)),
    ("the branch of self-attention is left out of dx", _backward(inner=_without_branch)),
    ("the branch of the feed-forward network is left out of dx", _backward(outer=_without_branch)),
    ("both branches are left out of dx", _backward(outer=_without_branch, inner=_without_branch)),
    ("the second residual is walked back from dy again, not from the gradient of its own output",
     _backward(own_dy=True)),
    ("what both residuals return is added; the second takes in what the first returns",
     _backward(own_dy=True, summed=True)),
    ("in pre-norm the norm of both branches is left out",
     _backward(outer=_norm_left_out, inner=_norm_left_out)),
    ("in pre-norm the norm of self-attention's branch is left out",
     _backward(inner=_norm_left_out)),
    ("in pre-norm the norm of the feed-forward network's branch is left out",
     _backward(outer=_norm_left_out)),
    ("the residuals are walked back in the order of the forward; the last comes first",
     {"layer_backward": _in_order}),
    ("self_attn.backward is called twice: its parameters get their gradients twice",
     _backward(inner=_twice)),
    ("only the residual of self-attention is walked back", {"layer_backward": _only_attention}),
    ("only the residual of the feed-forward network is walked back",
     {"layer_backward": _only_feed_forward}),
]  # fmt: skip
