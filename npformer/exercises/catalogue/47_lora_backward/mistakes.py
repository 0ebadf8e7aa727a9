"""Wrong ways to write this exercise: those on the op's card by name, and others."""

import numpy as np

from npformer.ops.lora import lora_forward


def _wrong(formula):
    """A backward with other gradients: formula(dy, x, h, down, up, weight, scale) on rows."""

    def backward(dy, cache):
        x, h, down, up, weight, scale = cache
        flat = [a.reshape(-1, a.shape[-1]) for a in (dy, x, h)]
        right = _right(*flat, down, up, weight, scale)
        found = {**right, **formula(*flat, down, up, weight, scale)}
        return found["dx"].reshape(x.shape), found["ddown"], found["dup"]

    return {"lora_forward": lora_forward, "lora_backward": backward}


def _right(dy, x, h, down, up, weight, scale):
    dh = scale * dy @ up
    return {"dx": dy @ weight + dh @ down, "ddown": dh.T @ x, "dup": scale * dy.T @ h}


def _scaled_all(dy, x, h, down, up, weight, scale):
    right = _right(dy, x, h, down, up, weight, scale)
    return {"dx": scale * (dy @ weight) + (right["dx"] - dy @ weight)}


MISTAKES = [
    ("dx lacks what comes back through the adapter", "lora/adapter-path-dropped"),
    ("dx lacks what comes back through the frozen weight: frozen is not detached",
     "lora/frozen-path-dropped"),
    ("scale is missing in the adapter's part of dx", "lora/scale-forgotten-in-dx"),
    ("scale is missing in ddown", "lora/scale-forgotten-in-down"),
    ("scale is in dup twice", "lora/scale-twice-in-up"),
    ("ddown is averaged over the rows", "lora/down-averaged"),
    ("down gets no gradient: h is detached", "lora/down-detached"),
    ("ddown is made with the frozen weight, where up belongs", "lora/down-through-the-weight"),
    ("scale is missing in dup", _wrong(lambda dy, x, h, *_: {"dup": dy.T @ h})),
    ("the frozen weight's part of dx is scaled too", _wrong(_scaled_all)),
    ("dup is averaged over the rows",
     _wrong(lambda dy, x, h, down, up, weight, scale: {
         "dup": scale * dy.T @ h / max(len(dy), 1)})),
    ("up gets no gradient",
     _wrong(lambda dy, x, h, down, up, weight, scale: {"dup": np.zeros_like(up)})),
]  # fmt: skip
