"""Wrong ways to write this exercise, for the diagnosis."""


def _averaged(dy, cache):
    x, gain = cache
    return dy * gain, (dy * x).mean(axis=0).mean(axis=-1, keepdims=True), dy.mean(axis=(0, 1))


def _bias_over_sentences_averaged(dy, cache):
    x, gain = cache
    dgain = (dy * x).sum(axis=0).sum(axis=-1, keepdims=True)
    return dy * gain, dgain, dy.mean(axis=0).sum(axis=0)


def _gain_without_x(dy, cache):
    _, gain = cache
    return dy * gain, dy.sum(axis=0).sum(axis=-1, keepdims=True), dy.sum(axis=(0, 1))


def _x_without_gain(dy, cache):
    x, _ = cache
    return dy, (dy * x).sum(axis=0).sum(axis=-1, keepdims=True), dy.sum(axis=(0, 1))


MISTAKES = [
    ("the gradients of gain and bias are averaged where they should be summed",
     {"affine_backward": _averaged}),
    ("the gradient of bias is averaged over the sentences, not summed",
     {"affine_backward": _bias_over_sentences_averaged}),
    ("the gradient of gain lacks the factor x", {"affine_backward": _gain_without_x}),
    ("the gradient of x lacks the factor gain", {"affine_backward": _x_without_gain}),
]  # fmt: skip
