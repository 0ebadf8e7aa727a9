"""Wrong ways to write this exercise, beyond those of the catalogue of mutants."""


def _backward(
    skips=("feed_forward", "cross_attn", "self_attn"),
    branches=("feed_forward", "cross_attn", "self_attn"),
    queries=True,
    keys=True,
    again=(),
    chained=True,
):
    """A backward with some of its terms left out, or, in ``again``, counted twice."""

    def decoder_layer_backward(layer, dy, cache):
        dx = dy
        for name in ("feed_forward", "cross_attn", "self_attn"):
            residual = getattr(layer, f"{name}_residual")
            leave = getattr(cache, f"{name}_leave")
            skip, dh = residual.leave_backward(dx if chained else dy, leave)
            found = getattr(layer, name).backward(dh, getattr(cache, name))
            if name == "feed_forward":
                dh = found
            elif name == "cross_attn":
                dh, dmemory = found
            else:
                dh = queries * found[0] + keys * found[1]
            branch = residual.enter_backward(dh, getattr(cache, f"{name}_enter"))
            dx = (name in skips) * skip + (name in branches) * branch + (name in again) * skip
        return dx, dmemory

    return decoder_layer_backward


def _without_enter(layer, dy, cache):
    dx, dh = layer.feed_forward_residual.leave_backward(dy, cache.feed_forward_leave)
    dx = dx + layer.feed_forward.backward(dh, cache.feed_forward)
    dx, dh = layer.cross_attn_residual.leave_backward(dx, cache.cross_attn_leave)
    dh, dmemory = layer.cross_attn.backward(dh, cache.cross_attn)
    dx = dx + dh
    dx, dh = layer.self_attn_residual.leave_backward(dx, cache.self_attn_leave)
    return dx + sum(layer.self_attn.backward(dh, cache.self_attn)), dmemory


def _forward_order(layer, dy, cache):
    dx, dh = layer.self_attn_residual.leave_backward(dy, cache.self_attn_leave)
    dh = sum(layer.self_attn.backward(dh, cache.self_attn))
    dx = dx + layer.self_attn_residual.enter_backward(dh, cache.self_attn_enter)
    dx, dh = layer.cross_attn_residual.leave_backward(dx, cache.cross_attn_leave)
    dh, dmemory = layer.cross_attn.backward(dh, cache.cross_attn)
    dx = dx + layer.cross_attn_residual.enter_backward(dh, cache.cross_attn_enter)
    dx, dh = layer.feed_forward_residual.leave_backward(dx, cache.feed_forward_leave)
    dh = layer.feed_forward.backward(dh, cache.feed_forward)
    return dx + layer.feed_forward_residual.enter_backward(dh, cache.feed_forward_enter), dmemory


ALL = ("feed_forward", "cross_attn", "self_attn")
SAID = {
    "feed_forward": "the feed-forward network",
    "cross_attn": "cross-attention",
    "self_attn": "self-attention",
}

MISTAKES = [
    *((f"the skip path around {SAID[name]} is dropped",
       {"decoder_layer_backward": _backward(skips=[n for n in ALL if n != name])})
      for name in ALL),
    ("the skip paths are dropped: x gets the branches' gradients alone",
     {"decoder_layer_backward": _backward(skips=())}),
    *((f"the branch through {SAID[name]} is dropped: x gets the skip path's gradient alone",
       {"decoder_layer_backward": _backward(branches=[n for n in ALL if n != name])})
      for name in ALL),
    *((f"the skip path around {SAID[name]} counts twice",
       {"decoder_layer_backward": _backward(again=(name,))})
      for name in ALL),
    ("self-attention's gradient by keys and values is left out",
     {"decoder_layer_backward": _backward(keys=False)}),
    ("self-attention's gradient by the queries is left out",
     {"decoder_layer_backward": _backward(queries=False)}),
    ("enter_backward is left out: where the norm stands before the sub-layer, the branch misses it",
     {"decoder_layer_backward": _without_enter}),
    ("the blocks are walked in the order of the forward, not from the last to the first",
     {"decoder_layer_backward": _forward_order}),
    ("every block starts from dy, not from the dx of the block below it",
     {"decoder_layer_backward": _backward(chained=False)}),
]  # fmt: skip
