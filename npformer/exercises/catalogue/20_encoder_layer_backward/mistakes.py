"""Wrong ways to write this exercise, beyond those of the catalogue of mutants."""

import numpy as np


def _add(skip, branch):
    return skip + branch


def _backward(
    outer=_add,
    inner=_add,
    join=_add,
    swapped=False,
    own_dy=False,
    enter=(True, True),
    skip_of_dy=False,
):
    """The backward with other sums, or with something left out."""

    def backward(layer, dy, cache):
        first, second = layer.feed_forward_residual, layer.self_attn_residual
        dx, dh = first.leave_backward(dy, cache.feed_forward_leave)
        if swapped:
            dx, dh = dh, dx
        dh = layer.feed_forward.backward(dh, cache.feed_forward)
        if enter[0]:
            dh = first.enter_backward(dh, cache.feed_forward_enter)
        dx = outer(dy if skip_of_dy else dx, dh)
        dx, dh = second.leave_backward(dy if own_dy else dx, cache.self_attn_leave)
        if swapped:
            dx, dh = dh, dx
        dh = join(*layer.self_attn.backward(dh, cache.self_attn))
        if enter[1]:
            dh = second.enter_backward(dh, cache.self_attn_enter)
        return inner(dx, dh)

    return {"encoder_layer_backward": backward}


def _branch(skip, branch):
    return branch


def _skip(skip, branch):
    return skip


def _twice(layer, dy, cache):
    right = _backward()["encoder_layer_backward"](layer, dy, cache)
    for parameter in layer.self_attn.parameters():
        parameter.accumulate(parameter.grad.copy())
    return right


def _in_order(layer, dy, cache):
    dx, dh = layer.feed_forward_residual.leave_backward(
        _only_attention(layer, dy, cache), cache.feed_forward_leave
    )
    dh = layer.feed_forward.backward(dh, cache.feed_forward)
    return dx + layer.feed_forward_residual.enter_backward(dh, cache.feed_forward_enter)


def _only_attention(layer, dy, cache):
    dx, dh = layer.self_attn_residual.leave_backward(dy, cache.self_attn_leave)
    dh = np.add(*layer.self_attn.backward(dh, cache.self_attn))
    return dx + layer.self_attn_residual.enter_backward(dh, cache.self_attn_enter)


MISTAKES = [
    ("self-attention's gradient by keys and values, dmemory, is left out", _backward(join=_skip)),
    ("self-attention's gradient by the queries, dquery, is left out", _backward(join=_branch)),
    ("the skip path around self-attention is dropped", _backward(inner=_branch)),
    ("the skip path around the feed-forward network is dropped", _backward(outer=_branch)),
    ("both skip paths are dropped", _backward(outer=_branch, inner=_branch)),
    ("the branch of self-attention is left out of dx", _backward(inner=_skip)),
    ("the branch of the feed-forward network is left out of dx", _backward(outer=_skip)),
    ("both branches are left out of dx", _backward(outer=_skip, inner=_skip)),
    ("the second frame is walked back from dy again, not from the gradient of its own output",
     _backward(own_dy=True)),
    ("the two results of leave_backward change places: the first is the skip path's",
     _backward(swapped=True)),
    ("the skip path around the feed-forward network passes leave_backward by",
     _backward(skip_of_dy=True)),
    ("enter_backward is left out of both frames", _backward(enter=(False, False))),
    ("enter_backward is left out around self-attention", _backward(enter=(True, False))),
    ("enter_backward is left out around the feed-forward network",
     _backward(enter=(False, True))),
    ("the frames are walked back in the order of the forward; the last comes first",
     {"encoder_layer_backward": _in_order}),
    ("self_attn.backward is called twice: its parameters get their gradients twice",
     {"encoder_layer_backward": _twice}),
    ("only the frame of self-attention is walked back",
     {"encoder_layer_backward": _only_attention}),
]  # fmt: skip
