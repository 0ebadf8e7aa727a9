"""Exercise 47: the backward of an adapter of low rank."""


def lora_forward(x, down, up, *, weight, bias=None, scale=1.0):
    """x (..., I), down (Q, I), up (O, Q) -> y (..., O), cache."""
    h = x @ down.T  # (..., Q)
    y = x @ weight.T + scale * (h @ up.T)
    y = y if bias is None else y + bias
    return y, (x, h, down, up, weight, scale)


def lora_backward(dy, cache):
    """dy (..., O) -> dx (..., I), ddown (Q, I), dup (O, Q)."""
    x, h, down, up, weight, scale = cache
    # Frozen is not detached: the frozen weight gets no gradient, and hands one on.
    u = scale * dy  # what arrives at h up^T
    dh = u @ up  # (..., Q)
    dx = dy @ weight + dh @ down
    # Each is the product of a linear map's two sides, over all rows.
    dup = _rows(u).T @ _rows(h)
    ddown = _rows(dh).T @ _rows(x)
    return dx, ddown, dup


def _rows(a):
    """(..., A) -> (rows, A)."""
    return a.reshape(-1, a.shape[-1])
