"""Exercise 15: splitting and merging heads, and the way back."""


def split_heads(x, heads):
    """x (B, T, N H), N = heads -> y (B, N, T, H)."""
    b, t, d = x.shape
    # The reshape reads the last axis as two. It moves nothing: the swap does.
    return x.reshape(b, t, heads, d // heads).swapaxes(1, 2)


def split_heads_backward(dy):
    """dy (B, N, T, H) -> dx (B, T, N H)."""
    # The gradient of an entry stands where the entry went: fetch it from there.
    return merge_heads(dy)


def merge_heads(x):
    """x (B, N, T, H) -> y (B, T, N H)."""
    b, n, t, h = x.shape
    # First the swap back: a reshape alone would lay positions of one head end to end.
    return x.swapaxes(1, 2).reshape(b, t, n * h)


def merge_heads_backward(dy, heads):
    """dy (B, T, N H), N = heads -> dx (B, N, T, H)."""
    return split_heads(dy, heads)
