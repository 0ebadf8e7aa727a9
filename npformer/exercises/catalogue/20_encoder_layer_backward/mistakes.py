"""Wrong ways to write this exercise, beyond those of the catalogue of mutants."""

from functools import partial

from npformer.exercises.layer_mistakes import SAID, walked_back

FEED, ATTENTION = "feed_forward", "self_attn"
BOTH = (FEED, ATTENTION)
OTHER = {FEED: ATTENTION, ATTENTION: FEED}
_backward = partial(walked_back, *BOTH)

MISTAKES = [
    *((f"{SAID[name]} is walked back without its residual: no skip path, no norm, no dropout",
       _backward(bare=[name])) for name in BOTH),
    ("the sub-layers are walked back without their residuals: no skip path, no norm, no dropout",
     _backward(bare=BOTH)),
    *((f"the skip path around {SAID[name]} is dropped", _backward(skips=[OTHER[name]]))
      for name in BOTH),
    ("both skip paths are dropped", _backward(skips=())),
    *((f"the branch of {SAID[name]} is left out of dx", _backward(branches=[OTHER[name]]))
      for name in BOTH),
    ("both branches are left out of dx", _backward(branches=())),
    ("the second residual is walked back from dy again, not from the gradient of its own output",
     _backward(chained=False)),
    ("what both residuals return is added; the second takes in what the first returns",
     _backward(chained=False, summed=True)),
    ("in pre-norm the norm of both branches is left out", _backward(norms=())),
    *((f"in pre-norm the norm of {SAID[name]}'s branch is left out", _backward(norms=[OTHER[name]]))
      for name in BOTH),
    ("the residuals are walked back in the order of the forward; the last comes first",
     walked_back(ATTENTION, FEED)),
    ("self_attn.backward is called twice: its parameters get their gradients twice",
     _backward(twice=[ATTENTION])),
    *((f"only the residual of {SAID[name]} is walked back", walked_back(name)) for name in BOTH),
]  # fmt: skip
