import numpy as np


def merge_forward(y1, lse1, y2, lse2):
    """y1, y2 (B, T, D), lse1, lse2 (B, T) -> y (B, T, D), cache."""
    total = np.logaddexp(lse1, lse2)
    share1, share2 = np.exp(lse1 - total), np.exp(lse2 - total)  # (B, T), they sum to 1
    y = share1[..., None] * y1 + share2[..., None] * y2
    return y, (y1, y2, share1, share2)


def merge_backward(dy, cache):
    """With the row sum of dy * y, as attention's own backward has it."""
    y1, y2, a, b = cache
    y = a[..., None] * y1 + b[..., None] * y2
    d = np.einsum("btd,btd->bt", dy, y)
    one = a * (np.einsum("btd,btd->bt", dy, y1) - d)
    two = b * (np.einsum("btd,btd->bt", dy, y2) - d)
    return np.einsum("bt,btd->btd", a, dy), one, np.einsum("bt,btd->btd", b, dy), two
