"""Wrong ways to write this exercise, for the diagnosis."""

import numpy as np


def _backward(through=lambda dh, h: dh * (h > 0), weight2_input=None, first=None, bias=np.sum):
    """The backward with another ReLU, or with another array at the place of one."""

    def backward(dy, cache):
        x, weight1, weight2, h = cache
        dh = dy @ weight2
        da = through(dh, h)
        own = da if first is None else first(dh, da)
        return (
            da @ weight1,
            np.einsum("btf,btd->fd", own, x),
            bias(own, axis=(0, 1)),
            np.einsum("btd,btf->df", dy, h if weight2_input is None else weight2_input(cache)),
            bias(dy, axis=(0, 1)),
        )

    return {"feed_forward_backward": backward}


def _no_relu_on_the_way_to_x(dy, cache):
    x, weight1, weight2, h = cache
    right = _backward()["feed_forward_backward"](dy, cache)
    return (dy @ weight2 @ weight1, *right[1:])


def _mask(cache):
    return (cache[3] > 0).astype(float)


MISTAKES = [
    ("the ReLU is skipped on the way back (h >= 0 skips it too: h is never negative)",
     _backward(lambda dh, h: dh)),
    ("the ReLU's mask is taken of dh; it must be that of the forward, where h > 0",
     _backward(lambda dh, h: dh * (dh > 0))),
    ("dh is multiplied by h, not by the sign of h", _backward(lambda dh, h: dh * h)),
    ("the ReLU's gradient passes exactly where h is 0", _backward(lambda dh, h: dh * (h == 0))),
    ("dh stands where da belongs, in the gradients of weight1 and bias1",
     _backward(first=lambda dh, da: dh)),
    ("the ReLU is skipped on the way to x", {"feed_forward_backward": _no_relu_on_the_way_to_x}),
    ("the mask h > 0 stands where h belongs, in the gradient of weight2",
     _backward(weight2_input=_mask)),
    ("the gradients of both biases are averaged where they should be summed",
     _backward(bias=np.mean)),
]  # fmt: skip
