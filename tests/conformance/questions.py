"""What is asked: the inputs, and the columns of each table. The standard library alone."""

from __future__ import annotations

from typing import NamedTuple

LOWEST = -3.4028234663852886e38
"""float32's lowest finite number, which many add to scores in place of -inf."""

# One sentence, one head of size 1, two queries, of which the first may see no key.
HIDDEN_Q, HIDDEN_K, HIDDEN_V, HIDDEN_DY = [1.0, 1.0], [1.0, 2.0], [1.0, 3.0], [1.0, 0.0]
HIDDEN_SEEN = [[False, False], [True, True]]

# All scores are 0, so that a query's output is the mean of the values that it sees.
CAUSAL_V = {(2, 3): [1.0, 2.0, 4.0], (3, 2): [1.0, 2.0]}

GELU_X = [1.0, -2.0]

NORM_X, NORM_DY = [-1e-3, 1e-3], [1.0, 0.0]
NORM_FAR = [9999.0, 10001.0]
NORM_HALF = [-300.0, 300.0]

LOGITS, TARGET, SMOOTHING = [2.0, 1.0, 0.0], 0, 0.1
IGNORED = -100
NO_WEIGHT = [0.0, 1.0, 1.0]
OUTSIDE = [3, -1, -100]

TIES = [2.0, 2.0, 1.0]

DROP_B, DROP_N, DROP_T, DROP_P = 2, 2, 16, 0.5


class Question(NamedTuple):
    """A table of the page."""

    key: str
    title: str
    text: str
    columns: tuple[str, ...]


_HIDDEN = ("y of that query", "dq of it", "dk", "dv")
_LOSS = ("loss", "dlogits")

QUESTIONS = (
    Question(
        "hidden by a boolean mask",
        "A query that may see no key, by a boolean mask",
        "Two queries, q = 1, 1; k = 1, 2; v = 1, 3. The first query sees no key, the second "
        "both. dy is 1 for the first and 0 for the second, so that every number of a gradient "
        "here comes from the query that sees nothing. 2 is the mean of the values. The layers "
        "of PyTorch here have an output bias of 0.5; without gradients, they take their fast "
        "path where they can.",
        _HIDDEN,
    ),
    Question(
        "hidden by -inf",
        "The same by -inf, added to the scores",
        "Exact arithmetic gives 0 / 0.",
        _HIDDEN,
    ),
    Question(
        "hidden by the lowest number",
        "The same by float32's lowest number, added to the scores",
        "Each score vanishes beside that number, so the query sees all keys alike. Then y is 2, "
        "and dv 1/2, 1/2; the derivative by the scores is -1/2, 1/2, which is also dk, and dq "
        "is 1/2. PyTorch's fused kernel makes the gradients S = 2 times what belongs to its y.",
        _HIDDEN,
    ),
    Question(
        "causal",
        "Causal attention where queries and keys differ in number",
        "All scores are 0, so that y is the mean of the values seen; dy is 1. With 2 queries v "
        "= 1, 2, 4: a triangle from the first key gives y = 1, 1.5, one that ends at the last "
        "key 1.5, 2.333. With 3 queries v = 1, 2: 1, 1.5, 1.5, or 0, 1, 1.5 where the first "
        "query sees nothing and gives 0.",
        ("y, T = 2, S = 3", "dv, T = 2, S = 3", "y, T = 3, S = 2", "dv, T = 3, S = 2"),
    ),
    Question(
        "gelu",
        "GELU without further arguments",
        "At 1 and -2. By the error function it is 0.8413, -0.0455; by tanh 0.8412, -0.0454.",
        ("y", "dx"),
    ),
    Question(
        "layer norm",
        "Layer norm without further arguments",
        "No weight or a weight of 1. At -0.001, 0.001 the variance is 1e-6, so y shows eps; dx "
        "is for dy = 1, 0. At 9999, 10001 in float32 y is -1, 1 unless the variance is E[x^2] - "
        "E[x]^2. In float16 the squares of -300, 300 overflow unless they are taken in float32. "
        "ONNX's operator has an attribute for that type, stash_type, float32 unless given, "
        "which its reference does not follow.",
        ("eps", "y of ±0.001", "dx", "y of 9999, 10001", "y of ±300 in float16"),
    ),
    Question(
        "rms norm",
        "RMS norm without further arguments",
        "As above.",
        ("eps", "y of ±0.001", "dx", "y of ±300 in float16"),
    ),
    Question(
        "smoothing",
        "Label smoothing of 0.1",
        "Logits 2, 1, 0, of which the first is right. The target is softmax(logits) - dlogits: "
        "0.9333 for the right class where smoothing spreads over all V = 3 classes, 0.9 where "
        "over the V - 1 others.",
        ("loss", "dlogits", "target"),
    ),
    Question(
        "all ignored",
        "The mean over targets that are all ignored",
        "Logits 2, 1, 0, and one target, which does not count.",
        _LOSS,
    ),
    Question(
        "no weight",
        "The mean over targets whose weights are 0",
        "Logits 2, 1, 0, of which the first is right and has weight 0.",
        _LOSS,
    ),
    Question(
        "outside",
        "Labels out of range",
        "Logits 2, 1, 0, so that classes are 0, 1, 2. -100 is what many packages ignore unless "
        "told otherwise. Costs of the classes are 0.4076, 1.408, 2.408. ONNX Runtime was not "
        "asked, for no document says what it reads there.",
        ("loss, label 3", "dlogits", "loss, label -1", "dlogits", "loss, label -100", "dlogits"),
    ),
    Question(
        "ties",
        "Gradients where numbers tie",
        "x = 2, 2, 1. A maximum of two arguments is asked at 2, 2, and its derivatives are by "
        "the first and by the second. npformer has no maximum; its choice of an expert by the "
        "largest score is one.",
        ("max of all", "max along an axis", "largest by top-k", "maximum(a, b)"),
    ),
    Question(
        "kinks",
        "Slopes at kinks",
        "Any number between the slopes on both sides is a derivative there. PyTorch's clamp "
        "gives 0 from version 2.14 on.",
        ("relu at 0", "abs at 0", "clip to [-1, 1], at -1 and 1", "relu6 at 0 and 6"),
    ),
    Question(
        "dropout",
        "Whose dropout of attention's weights is whose",
        "2 sentences, 2 heads, 16 queries and keys, p = 0.5, in training. All scores are 0 and "
        "v is the identity, so that y is the mask times a number. npformer drops no weights of "
        "attention, only a sub-layer's output, each entry by itself. A mask is own where that "
        "of another sentence, head or query differs.",
        ("own mask for each", "a kept weight times 16", "dv has y's mask"),
    ),
)
