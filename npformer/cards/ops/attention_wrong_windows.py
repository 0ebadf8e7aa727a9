"""Wrong versions of attention: windows."""

from __future__ import annotations

import numpy as np

from npformer.cards.ops import attention_by_hand as right
from npformer.cards.ops.attention import card
from npformer.cards.ops.attention_by_hand import forward
from npformer.cards.ordinary import OUTPUT, option
from npformer.ops.attention import attention_forward
from npformer.ops.masks import window_mask

_NO_WINDOW = option("no window", window=None)
_SMALLEST = "q (1, 1, 1, 1), k (1, 2, 1, 1), v (1, 2, 1, 1)"


def _windowed(near):
    """The forward with ``near(t, s, window, causal)`` in the place of the window's mask."""

    def allowed(t, s, mask, causal, window):
        if window is None:
            return right.allowed(t, s, mask, causal, None)
        seen = near(t, s, window, causal)
        return seen if mask is None else mask & seen

    return forward(allowed=allowed)


def _wrong(name, wrong, near, **seen):
    card.wrong_forward(name, wrong, **seen)(_windowed(near))


def _wider(t, s, window, causal):
    return window_mask(t, s, window + 1, causal=causal)


_wrong(
    "window-one-more",
    "a window of w keys sees w before its own position, and so w + 1",
    _wider,
    seen="huggingface/transformers#29623",
    smallest=_SMALLEST,
    missed_by=_NO_WINDOW,
)
_wrong(
    "window-one-less",
    "a window of w keys sees its own position and w - 2 before it",
    lambda t, s, w, causal: (
        window_mask(t, s, w - 1, causal=causal) if w > 1 else np.zeros((t, s), bool)
    ),
)
_ignored = _windowed(lambda t, s, w, causal: right.allowed(t, s, None, causal, None))
card.wrong_forward(
    "window-ignored",
    "the window is handed over in a form that means none: every key before is seen",
    seen="proger/hippogriff#7",
    smallest=_SMALLEST,
    missed_by=_NO_WINDOW,
)(_ignored)


@card.wrong_forward(
    "window-absent-from-backward",
    "the backward makes the weights anew without the window that the forward had",
    seen="ROCm/aiter#3742",
    smallest=_SMALLEST,
    missed_by=OUTPUT,
)
def _forward_alone(*arrays, **options):
    return attention_forward(*arrays, **options)[0], _ignored(*arrays, **options)[1]


@card.wrong_forward(
    "backward-sees-everything",
    "a condition that never holds: where there is a window, the backward is not even causal",
    seen="meta-pytorch/MSLK#263",
    smallest="q (1, 2, 1, 1), k (1, 1, 1, 1), v (1, 1, 1, 1)",
    missed_by=OUTPUT,
)
def _backward_open(*arrays, causal=False, window=None, **options):
    y, _ = attention_forward(*arrays, causal=causal, window=window, **options)
    causal = causal and window is None
    return y, attention_forward(*arrays, causal=causal, **options)[1]


_wrong("window-forgets-causal", "a causal window sees as many keys ahead as behind",
       lambda t, s, w, causal: window_mask(t, s, w, causal=False))  # fmt: skip
_wrong("window-behind-alone", "a window on both sides sees the keys behind alone",
       lambda t, s, w, causal: window_mask(t, s, w))  # fmt: skip
_wrong(
    "window-from-the-start",
    "query t is taken to be at position t, although the keys begin before the queries",
    lambda t, s, w, causal: np.tri(t, s, 0 if causal else w - 1, bool) & ~np.tri(t, s, -w, bool),
)
_wrong(
    "window-halved",
    "a window on both sides has w keys in all, not w on either",
    lambda t, s, w, causal: window_mask(t, s, w if causal else w // 2 + 1, causal=causal),
)


def _blocks(t, s, window, causal):
    block = (np.arange(t)[:, None] + s - t) // window == np.arange(s) // window
    return block & right.allowed(t, s, None, causal, None)


_wrong("window-of-blocks", "the window does not slide: each block of w sees itself", _blocks)


@card.wrong_forward("window-replaces-the-mask", "beside a window the mask is not looked at")
def _replaces(q, k, v, mask=None, *others, window=None, **options):
    mask = mask if window is None else None
    return attention_forward(q, k, v, mask, *others, window=window, **options)
