# diagnosis: the heads are not moved in front of the positions
def split_heads(x, heads):
    b, t, d = x.shape
    return x.reshape(b, t, heads, d // heads)


def split_heads_backward(dy):
    return merge_heads(dy)


def merge_heads(x):
    b, n, t, h = x.shape
    return x.swapaxes(1, 2).reshape(b, t, n * h)


def merge_heads_backward(dy, heads):
    return split_heads(dy, heads)
