"""Wrong ways to write this exercise, beyond those of the catalogue of mutants."""

from functools import partial

from npformer.exercises.layer_mistakes import SAID, walked_back

ALL = tuple(SAID)
_backward = partial(walked_back, *ALL)


def _but(name):
    return [other for other in ALL if other != name]


MISTAKES = [
    *((f"the skip path around {SAID[name]} is dropped", _backward(skips=_but(name)))
      for name in ALL),
    ("the skip paths are dropped: x gets the branches' gradients alone", _backward(skips=())),
    *((f"the branch through {SAID[name]} is dropped: x gets the skip path's gradient alone",
       _backward(branches=_but(name))) for name in ALL),
    *((f"the skip path around {SAID[name]} counts twice: the residual's backward has added it",
       _backward(again=[name])) for name in ALL),
    *((f"{SAID[name]} is walked back without its residual: no skip path, no norm, no dropout",
       _backward(bare=[name])) for name in ALL),
    ("the sub-layers are walked back without their residuals: no skip path, no norm, no dropout",
     _backward(bare=ALL)),
    *((f"the dx of {SAID[name]}'s residual is lost: the next starts from the one before it",
       _backward(lost=[name])) for name in ALL),
    ("in pre-norm the norm of the branches is left out", _backward(norms=())),
    ("the residuals are walked in the order of the forward, not from the last to the first",
     walked_back(*reversed(ALL))),
    ("every residual starts from dy, not from the dx of the one after it",
     _backward(chained=False)),
]  # fmt: skip
