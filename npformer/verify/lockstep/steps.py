"""Which step of an operation is wrong, in words: the scale, the mask, the sum, the skip path.

Between the calls of a method the place decides: what reaches a residual's norm is its sum of skip
and branch. Inside an op it is what the suspect's cache shows besides the result: attention's
probabilities tell a wrong softmax from a wrong product with the values.
"""

from __future__ import annotations

from npformer.cards.steps import close
from npformer.verify.lockstep.mismatch import Mismatch
from npformer.verify.lockstep.op_steps import inside
from npformer.verify.lockstep.visits import Visit, is_within

# (phase, what is passed, to whom by the end of its name) -> the step. The first that fits counts.
_PASSED: tuple[tuple[str, str, str, str], ...] = (
    ("forward", "x", "norm", "the sum of skip and branch"),
    ("forward", "x", "positions", "the factor sqrt(D)"),
    ("forward", "causal", "self_attn", "the causal mask"),
    ("forward", "mask", "attention", "the mask"),
    ("forward", "causal", "attention", "the causal mask"),
    ("forward", "scale", "attention", "the scale of the scores"),
    ("forward", "q", "attention", "the split into heads"),
    ("forward", "k", "attention", "the split into heads"),
    ("forward", "v", "attention", "the split into heads"),
    ("forward", "x", "out_proj", "the merge of the heads"),
    ("forward", "mask", "encoder", "the padding mask"),
    ("forward", "memory_mask", "decoder", "the padding mask"),
    ("forward", "mask", "", "the mask passed on"),
    ("forward", "memory_mask", "", "the mask passed on"),
    ("forward", "memory", "", "the memory passed on"),
    ("forward", "weight", "", "the weight"),
    ("forward", "bias", "", "the bias"),
    ("forward", "rng", "", "dropout's generator"),
    ("backward", "dy", "q_proj", "the merge of the heads' dq"),
    ("backward", "dy", "k_proj", "the merge of the heads' dk"),
    ("backward", "dy", "v_proj", "the merge of the heads' dv"),
    ("backward", "dy", "attention", "the split into heads"),
    ("backward", "dy", "encoder", "the memory's gradient"),
    ("backward", "dy", "embedding", "the factor sqrt(D)"),
)
# (the class, its method, the result) -> the step, where the result is more than what a call gave.
_RESULTS = {
    ("Residual", "y"): "the sum of skip and branch",
    ("Residual", "dsublayer"): "what the sub-layer's backward returns besides",
    ("MultiHeadAttention", "dmemory"): "the sum of the keys' and the values' gradients",
    ("Layer", "dx"): "the gradient that its residuals hand on",
    ("Layer", "dmemory"): "the memory's gradient",
    ("Stack", "dmemory"): "the sum of the memory's gradient over the layers",
}


def step(finding: Mismatch) -> str:
    """The step of the computation that is wrong there."""
    visit = finding.visit
    if finding.absent:
        return f"the call of {finding.absent}"
    if finding.receiver:
        return _between(finding)
    if finding.method == "accumulate":
        return "the sum of the gradients of its uses"
    if finding.result.startswith("grad "):
        return f"what is added to the gradient of {finding.result.removeprefix('grad ')}"
    if visit is None or not visit.site.is_op:
        kind = _class(visit) if finding.method == "forward" else ""
        if visit is not None and (kind, finding.result) == ("Residual", "dx"):
            return _skip_or_branch(visit)
        if visit is not None and (kind, finding.result) == ("MultiHeadAttention", "dx"):
            own = visit.arguments.get("memory") is None
            sides = "queries', the keys' and the values' gradients"
            return f"the sum of the {sides}" if own else "the queries' gradient"
        return _RESULTS.get((kind, finding.result), f"its {finding.result}")
    return inside(visit, finding.result)


def _between(finding: Mismatch) -> str:
    if finding.phase == "backward" and _class(finding.visit) == "Residual":
        return "the branch's gradient"
    for phase, name, receiver, words in _PASSED:
        if (phase, name) == (finding.phase, finding.result) and (
            not receiver or finding.receiver.endswith(receiver)
        ):
            return words
    if finding.phase == "backward":
        return f"the gradient that goes to {finding.receiver}"
    return f"{finding.result} of {finding.receiver}"


def _class(visit: Visit | None) -> str:
    """The class that a module answers to: a copy of a file may have a name of its own."""
    if visit is None:
        return ""
    last = visit.site.path.rpartition(".")[2]
    if last.endswith("residual"):
        return "Residual"
    if last.endswith("attn"):
        return "MultiHeadAttention"
    if last in ("encoder", "decoder"):
        return "Stack"
    return "Layer" if last.isdigit() else visit.site.kind


def _skip_or_branch(visit: Visit) -> str:
    """Which path of a residual brings a wrong gradient: dx = dsum + dh."""
    norm, sublayer = None, None
    for child in visit.children:
        if not is_within(child.site.path, visit.site.path):
            sublayer = child.back
        elif child.site.path.endswith(".norm"):
            norm = child.back
    if visit.back is not None and norm is not None and sublayer is not None:
        pre = norm.begin > sublayer.begin
        dh = (norm if pre else sublayer).gradients[0]
        dsum = visit.back.dy if pre else norm.gradients[0]
        dx = visit.back.gradients[0]
        if dx is not None and dsum is not None and dh is not None:
            rest = dx - dsum
            factor = (rest * dh).sum() / max((dh * dh).sum(), 1e-300)
            return "the branch" if close(rest, factor * dh) else "the skip path"
    return "the sum of the skip's and the branch's gradients"
