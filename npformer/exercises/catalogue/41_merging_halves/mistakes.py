"""Wrong ways to write this exercise."""


def _backward(dlse, dy1=lambda dy, a, b: a * dy, dy2=lambda dy, a, b: b * dy):
    """The backward with other formulas: dlse(dy, y1, y2, share1, share2) gives both."""

    def backward(dy, cache):
        y1, y2, a, b = cache
        one, two = dlse(dy, y1, y2, a, b)
        shares = a[..., None], b[..., None]
        return dy1(dy, *shares), one, dy2(dy, *shares), two

    return {"merge_backward": backward}


def _dot(a, b):
    return (a * b).sum(axis=-1)


def _right(dy, y1, y2, a, b):
    found = a * b * _dot(dy, y1 - y2)
    return found, -found


MISTAKES = [
    ("the softmax's mean is left out: dlse is share * dshare",
     _backward(lambda dy, y1, y2, a, b: (a * _dot(dy, y1), b * _dot(dy, y2)))),
    ("the shares are taken for exp(lse) with the total a constant; it depends on both",
     _backward(lambda dy, y1, y2, a, b: (a * b * _dot(dy, y1), a * b * _dot(dy, y2)))),
    ("dlse lacks the factor of the other half's share",
     _backward(lambda dy, y1, y2, a, b: (a * _dot(dy, y1 - y2), -b * _dot(dy, y1 - y2)))),
    ("dlse1 and dlse2 are exchanged", _backward(lambda *x: _right(*x)[::-1])),
    ("dlse2 has the sign of dlse1; together they are 0",
     _backward(lambda *x: (_right(*x)[0], _right(*x)[0]))),
    ("no gradient goes to the logarithms",
     _backward(lambda dy, y1, y2, a, b: (0 * a, 0 * b))),
    ("dy1 and dy2 are dy, without the shares",
     _backward(_right, lambda dy, a, b: dy * 1, lambda dy, a, b: dy * 1)),
    ("dy1 and dy2 have each other's share",
     _backward(_right, lambda dy, a, b: b * dy, lambda dy, a, b: a * dy)),
    ("dlse is a mean over D; it is a sum", _backward(lambda dy, y1, y2, a, b: tuple(
        each / dy.shape[-1] for each in _right(dy, y1, y2, a, b)))),
]  # fmt: skip
