"""Exercise 33: the backward of rotary positions.

    x, y (B, T, N, H)    cos, sin (T, R/2) or (B, T, R/2)

The forward is given. Write rotary_backward, then:

    npformer exercise check rotary_backward
    npformer exercise hint rotary_backward
"""


def rotary_forward(x, cos, sin, layout="half"):
    """x (B, T, N, H), cos, sin (T, R/2) or (B, T, R/2) -> y (B, T, N, H), cache."""
    points = cos.shape[-1]  # R/2
    if layout == "half":
        first, second = slice(points), slice(points, 2 * points)
    else:
        first, second = slice(0, 2 * points, 2), slice(1, 2 * points, 2)
    cos, sin = cos[..., None, :], sin[..., None, :]  # (..., T, 1, R/2), for every head
    y = x.copy()
    y[..., first] = x[..., first] * cos - x[..., second] * sin
    y[..., second] = x[..., second] * cos + x[..., first] * sin
    return y, (cos, sin, first, second)


def rotary_backward(dy, cache):
    """dy (B, T, N, H) -> dx (B, T, N, H); ``dy[..., first]`` is the pairs' first columns."""
    cos, sin, first, second = cache
    raise NotImplementedError("return dx")
