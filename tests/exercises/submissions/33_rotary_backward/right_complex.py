"""A point is a complex number, and the gradient is its product with the conjugate turn."""


def rotary_forward(x, cos, sin, layout="half"):
    points = cos.shape[-1]
    if layout == "half":
        a, b = slice(points), slice(points, 2 * points)
    else:
        a, b = slice(0, 2 * points, 2), slice(1, 2 * points, 2)
    turn = (cos + 1j * sin)[..., None, :]
    return _turned(x, turn, a, b), (turn, a, b)


def rotary_backward(dy, cache):
    turn, a, b = cache
    return _turned(dy, turn.conj(), a, b)


def _turned(x, turn, a, b):
    z = (x[..., a] + 1j * x[..., b]) * turn
    y = x.copy()
    y[..., a], y[..., b] = z.real, z.imag
    return y
