"""Wrong versions of the mixture of experts."""

from __future__ import annotations

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.case import Case
from npformer.cards.nn.mixture_of_experts import card, counted, settings_of
from npformer.cards.ordinary import OUTPUT, only
from npformer.nn.mixture_of_experts import MixtureOfExperts
from npformer.ops.combine import combine_backward, combine_forward
from npformer.ops.dispatch import dispatch_forward
from npformer.ops.expert_weights import affinity, expert_weights_backward
from npformer.ops.routing import within_capacity, within_text_capacity
from npformer.ops.softmax import softmax_forward


def _again(self, x, cache, weights=None, h=None):
    """y of a forward whose weights, or experts' outputs, are others."""
    of = cache.combine
    y, _ = combine_forward(
        of.h if h is None else h, of.weights if weights is None else weights, slots=of.slots
    )
    y = y.reshape(x.shape)
    return y + self._through_shared(x)[0]


def _no_bias(case: Case) -> bool:
    return not settings_of(case)["balance_bias"]


def _no_shared(case: Case) -> bool:
    return settings_of(case)["shared_d_ff"] is None


def _whole(case: Case) -> bool:
    s = settings_of(case)
    return s["experts_per_token"] == 1 and s["normalize"] and s["scale"] == 1


def _no_losses(case: Case) -> bool:
    s = settings_of(case)
    return counted(case) is None or not (s["balance_loss"] or s["z_loss"])


def _no_balance(case: Case) -> bool:
    return counted(case) is None or not settings_of(case)["balance_loss"]


@card.wrong_method(
    "bias-weighs",
    "the weights are of the scores with the bias that was meant for the choice",
    MixtureOfExperts.forward,
    seen="huggingface/transformers#39581",
    smallest="x (1, 1, 2)",
    missed_by=only("no bias of the choice", _no_bias),
)
def _weighs(self, x, texts=None):
    y, cache = self.forward(x, texts)
    if self.balance_bias is None:
        return y, cache
    scores, _ = self.router.forward(cache.router.x)
    fit = affinity(scores, self.scoring) + self.balance_bias.data
    w = np.take_along_axis(fit, cache.weights.chosen, -1)
    w = w / w.sum(-1, keepdims=True) if self.normalize else w
    return _again(self, x, cache, self.scale * w), cache


@card.wrong_method(
    "shared-forgotten",
    "the chosen experts' sum is returned without the shared network's",
    MixtureOfExperts.forward,
    seen="divyamakkar0/JAXformer#21",
    smallest="x (1, 1, 2)",
    missed_by=only("no shared network", _no_shared),
)
def _forgotten(self, x, texts=None):
    y, cache = self.forward(x, texts)
    return (y if self.shared is None else y - self.shared.forward(x)[0]), cache


@card.wrong_method(
    "shared-divided-by-the-scale",
    "the shared network is weighed by 1 / scale, to make up for a factor that never comes",
    MixtureOfExperts.forward,
    seen="sgl-project/sglang#28237",
    smallest="x (1, 1, 2)",
    missed_by=only("a scale of 1", lambda case: settings_of(case)["scale"] == 1),
)
def _divided(self, x, texts=None):
    y, cache = self.forward(x, texts)
    if self.shared is None:
        return y, cache
    return y + (1 / self.scale - 1) * self.shared.forward(x)[0], cache


@card.wrong_method(
    "input-weighted",
    "the weight multiplies what the expert reads, not what it gives",
    MixtureOfExperts.forward,
    seen="labmlai/annotated_deep_learning_paper_implementations#95",
    smallest="x (1, 1, 2)",
    missed_by=only("weights of 1", _whole),
)
def _input(self, x, texts=None):
    y, cache = self.forward(x, texts)
    of = cache.combine
    each = combine_backward(np.ones_like(of.weights[:, :1]), of._replace(h=of.h[:, :1]))[0]
    sizes = cache.experts.up_proj.group_sizes
    h, _ = self.experts.forward(each * cache.experts.up_proj.x, sizes)
    return _again(self, x, cache, np.ones_like(of.weights), h), cache


@card.wrong_method(
    "down-bias-unweighted",
    "each expert's last bias is added whole, whatever the expert's weight",
    MixtureOfExperts.forward,
    seen="NVIDIA-NeMo/Automodel#2591",
    smallest="x (1, 1, 2)",
    missed_by=only("no biases", lambda case: not settings_of(case)["bias"]),
)
def _unweighted(self, x, texts=None):
    y, cache = self.forward(x, texts)
    bias = self.experts.down_proj.bias
    if bias is None:
        return y, cache
    of = cache.combine
    more = (1 - of.weights)[..., None] * bias.data[cache.weights.chosen]  # (R, k, D)
    return y + more.sum(1).reshape(x.shape), cache


@card.wrong_method(
    "balance-never-reaches-the-router",
    "the auxiliary losses are logged, and send no gradient back",
    MixtureOfExperts.backward,
    seen="NVIDIA-NeMo/Automodel#1412",
    smallest="x (1, 1, 2), texts (1, 1)",
    missed_by=OUTPUT,
)
def _never(self, dy, cache, dloss=1.0):
    return self.backward(dy, cache._replace(losses=None))


@card.wrong_method(
    "softmax-twice",
    "the balance loss takes the softmax of probabilities",
    MixtureOfExperts._auxiliary,
    seen="huggingface/transformers#45111",
    smallest="x (1, 1, 4), texts (1, 1)",
    missed_by=only("no balance loss", _no_balance),
)
def _softmax_twice(self, scores, chosen, texts):
    right, cache = self._auxiliary(scores, chosen, texts)
    if cache.balance is None or self.scoring != "softmax":
        return right, cache
    with altered(self, z_loss=0.0):
        probs, _ = softmax_forward(scores)
        once, _ = self._auxiliary(scores, chosen, texts)
        twice, _ = self._auxiliary(probs, chosen, texts)
    return right + twice - once, cache


@card.wrong_method("coefficient-ignored", "the losses count as they are, whatever their factors",
                   MixtureOfExperts._auxiliary_backward)  # fmt: skip
def _coefficient(self, dloss, cache):
    with altered(self, balance_loss=1.0, z_loss=1.0):
        return self._auxiliary_backward(dloss, cache)


@card.wrong_method("padding-balanced", "the losses count every token", MixtureOfExperts._auxiliary)
def _padding(self, scores, chosen, texts):
    return self._auxiliary(scores, chosen, np.maximum(texts, 0))


@card.wrong_method("groups-ignored", "every token chooses among all groups",
                   MixtureOfExperts.forward)  # fmt: skip
def _ungrouped(self, x, texts=None):
    with altered(self, kept_groups=None):
        return self.forward(x, texts)


@card.wrong_method("bias-without-effect", "the choice is made without its bias",
                   MixtureOfExperts.forward)  # fmt: skip
def _no_effect(self, x, texts=None):
    with altered(self, balance_bias=None):
        return self.forward(x, texts)


@card.wrong_method("second-best", "each token has the best expert but one, and not the best",
                   MixtureOfExperts.forward)  # fmt: skip
def _second(self, x, texts=None):
    k, experts = self.experts_per_token, len(self.router.weight.data)
    most = experts * (self.kept_groups or self.groups) // self.groups

    def choose(scores):
        with altered(self, experts_per_token=k + 1):
            return MixtureOfExperts.choose(self, scores)[..., 1:]

    if k == most:
        return self.forward(x, texts)
    with altered(self, choose=choose):
        return self.forward(x, texts)


@card.wrong_method("router-path-dropped", "x does not get what the router returns",
                   MixtureOfExperts.backward)  # fmt: skip
def _router_dropped(self, dy, cache, dloss=1.0):
    right = self.router.backward
    with altered(self.router, backward=lambda dscores, of: 0 * right(dscores, of)):
        return self.backward(dy, cache, dloss)


@card.wrong_method("shared-path-dropped", "x does not get what the shared network returns",
                   MixtureOfExperts.backward)  # fmt: skip
def _shared_dropped(self, dy, cache, dloss=1.0):
    self._back_through_shared(dy, cache.shared, cache.shared_gate)
    with altered(self, shared=None):
        return self.backward(dy, cache, dloss)


@card.wrong_method("shared-gate-path-dropped", "x does not get what the shared network's gate "
                   "returns", MixtureOfExperts.backward)  # fmt: skip
def _gate_dropped(self, dy, cache, dloss=1.0):
    if self.shared_gate is None:
        return self.backward(dy, cache, dloss)
    right = self.shared_gate.backward
    with altered(self.shared_gate, backward=lambda dscore, of: 0 * right(dscore, of)):
        return self.backward(dy, cache, dloss)


@card.wrong_method("shared-gate-beside", "the shared network's gradient is that of one without a "
                   "gate", MixtureOfExperts.backward)  # fmt: skip
def _gate_beside(self, dy, cache, dloss=1.0):
    gate = cache.shared_gate
    if gate is None:
        return self.backward(dy, cache, dloss)
    return self.backward(dy, cache._replace(shared_gate=gate._replace(open=1.0)), dloss)


@card.wrong_method("router-frozen", "the router's matrix never learns", MixtureOfExperts.backward)
def _frozen(self, dy, cache, dloss=1.0):
    before = self.router.weight.grad
    before = None if before is None else before.copy()
    dx = self.backward(dy, cache, dloss)
    self.router.weight.grad = before
    return dx


@card.wrong_method("router-told-twice", "the weights' gradient is that of weights without shares",
                   expert_weights_backward)  # fmt: skip
def _twice(dy, cache):
    return expert_weights_backward(dy, cache._replace(normalize=False))


@card.wrong_method("unsorted", "the experts' rows stand in the order of the tokens",
                   dispatch_forward)  # fmt: skip
def _unsorted(x, slots):
    y, cache = dispatch_forward(x, slots=slots)
    return np.repeat(x, slots.shape[1], axis=0), cache


@card.wrong_method("mean-of-the-batch", "dy is divided by the number of texts",
                   MixtureOfExperts.backward)  # fmt: skip
def _mean(self, dy, cache, dloss=1.0):
    return self.backward(dy / max(len(dy), 1), cache, dloss)


@card.wrong_method("shared-of-the-mean", "y has the text's mean taken off",
                   MixtureOfExperts.forward)  # fmt: skip
def _centred(self, x, texts=None):
    y, cache = self.forward(x, texts)
    return (y - y.mean(axis=1, keepdims=True) if x.shape[1] else y), cache


@card.wrong_method("bias-trained", "the bias of the choice gets the scores' gradient",
                   MixtureOfExperts.backward)  # fmt: skip
def _trained(self, dy, cache, dloss=1.0):
    dx = self.backward(dy, cache, dloss)
    if self.balance_bias is not None:
        self.balance_bias.grad = self.router.weight.grad.sum(1)
    return dx


def _fits_like(fits):
    """A mixture that drops others: ``fits`` takes the place of what is kept."""

    def forward(self, x, texts=None, chosen=None):
        if self.capacity is None:
            return self.forward(x, texts, chosen)
        with altered(self, fits=lambda chosen, texts: fits(self, chosen, texts)):
            return self.forward(x, texts, chosen)

    return forward


def _one_text(self, chosen, texts):
    return within_text_capacity(
        chosen, np.minimum(texts, 0), len(self.router.weight.data), self.capacity
    )


def _whole_batch(self, chosen, texts):
    experts = len(self.router.weight.data)
    room = int(np.ceil(self.capacity * chosen.size / experts))
    return within_capacity(chosen, experts, max(1, room))


def _last_first(self, chosen, texts):
    experts = len(self.router.weight.data)
    return within_text_capacity(chosen[::-1], texts[::-1], experts, self.capacity)[::-1]


for _name, _text, _function in (
    ("room-shared-by-the-batch", "all texts of a batch share an expert's room, and the first has "
     "the most of it", _one_text),
    ("first-choices-first", "every first choice goes before any second one, so that a later token "
     "takes an earlier one's place", _whole_batch),
    ("last-tokens-first", "an expert takes the last tokens of a text", _last_first),
    ("none-dropped", "the capacity is in the settings, and nothing is dropped",
     lambda self, chosen, texts: None),
):  # fmt: skip
    card.wrong_method(_name, _text, MixtureOfExperts.forward)(_fits_like(_function))
