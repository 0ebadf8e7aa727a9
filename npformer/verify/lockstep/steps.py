"""Which step of an operation is wrong, in words: the scale, the mask, the sum, the skip path.

Between the calls of a method the place decides: what reaches a residual's norm is its sum of skip
and branch. Inside an op it is what the suspect's cache shows besides the result: attention's
probabilities tell a wrong softmax from a wrong product with the values.
"""

from __future__ import annotations

from npformer.verify.lockstep.finding import Finding
from npformer.verify.lockstep.op_steps import inside
from npformer.verify.lockstep.visits import Visit

# (phase, what is passed, to whom by the end of its name) -> the step. The first that fits counts.
_PASSED: tuple[tuple[str, str, str, str], ...] = (
    ("forward", "x", "norm", "the sum of skip and branch"),
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
    ("backward", "dy", "self_attn_residual.enter", "dquery + dmemory of self-attention"),
    ("backward", "dy", "residual.leave", "the sum of the skip's and the branch's gradients"),
    ("backward", "dy", "encoder", "the memory's gradient"),
    ("backward", "dy", "dropout", "the branch's gradient"),
)
# (the class, its method, the result) -> the step, where the result is more than what a call gave.
_RESULTS = {
    ("Residual", "leave", "y"): "the sum of skip and branch",
    ("Residual", "leave", "dx"): "the skip path",
    ("Residual", "leave", "dh"): "the branch",
    ("MultiHeadAttention", "forward", "dx"): "the queries' gradient",
    ("MultiHeadAttention", "forward", "dmemory"): "the sum of the keys' and the values' gradients",
    ("EncoderLayer", "forward", "dx"): "the sum of the skip's and the branch's gradients",
    ("DecoderLayer", "forward", "dx"): "the sum of the skip's and the branch's gradients",
    ("DecoderLayer", "forward", "dmemory"): "the memory's gradient",
    ("Decoder", "forward", "dmemory"): "the sum of the memory's gradient over the layers",
}


def step(finding: Finding) -> str:
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
        key = (_class(visit), finding.method, finding.result)
        return _RESULTS.get(key, f"its {finding.result}")
    return inside(visit, finding.result)


def _between(finding: Finding) -> str:
    if finding.method == "_embed":
        if finding.phase == "forward" and finding.receiver == "dropout":
            return "the factor sqrt(D) and the positions"
        if finding.phase == "backward" and finding.receiver == "embedding":
            return "the factor sqrt(D)"
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
    path, method = visit.site.path, visit.site.operation
    if method == "leave":
        return "Residual"
    last = path.rpartition(".")[2]
    if last.endswith("attn"):
        return "MultiHeadAttention"
    if last == "decoder":
        return "Decoder"
    if last.isdigit():
        return "DecoderLayer" if "decoder" in path else "EncoderLayer"
    return visit.site.kind
