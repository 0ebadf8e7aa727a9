# diagnosis: is reshaped to (B, N, T, H) in one step
def split_heads(x, heads):
    b, t, d = x.shape
    return x.reshape(b, heads, t, d // heads)


def split_heads_backward(dy):
    return merge_heads(dy)


def merge_heads(x):
    b, n, t, h = x.shape
    return x.swapaxes(1, 2).reshape(b, t, n * h)


def merge_heads_backward(dy, heads):
    return split_heads(dy, heads)
