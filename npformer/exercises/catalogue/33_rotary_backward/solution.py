"""Exercise 33: the backward of rotary positions."""


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
    dx = dy.copy()  # columns past R were copied
    # The transpose of the turn: each column of x is in two columns of y, its own and its
    # partner's. Both lines read dy, for dx has changed after the first.
    dx[..., first] = dy[..., first] * cos + dy[..., second] * sin
    dx[..., second] = dy[..., second] * cos - dy[..., first] * sin
    return dx
