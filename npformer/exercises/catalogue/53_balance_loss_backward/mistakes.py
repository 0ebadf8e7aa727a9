"""Wrong ways to write this exercise: those on the op's card by name, and others."""

import numpy as np


def balance_loss_forward(probs, chosen, texts):
    experts, k = probs.shape[1], chosen.shape[1]
    loss = 0.0
    for text in np.unique(texts[texts >= 0]):
        of = texts == text
        t = of.sum()
        load = np.bincount(chosen[of].ravel(), minlength=experts)
        loss += t * experts / k * ((load / t) * probs[of].mean(axis=0)).sum()
    return np.asarray(loss), (chosen, texts, experts)


def _wrong(push):
    """push(load, t, k, E, chosen of the text) -> (E,) or (t, E)."""

    def backward(dloss, cache):
        chosen, texts, experts = cache
        dprobs = np.zeros((len(texts), experts))
        for text in np.unique(texts[texts >= 0]):
            of = texts == text
            load = np.bincount(chosen[of].ravel(), minlength=experts)
            dprobs[of] = dloss * push(load, of.sum(), chosen.shape[1], experts, chosen[of])
        return dprobs

    return {"balance_loss_forward": balance_loss_forward, "balance_loss_backward": backward}


def _own(load, t, k, experts, chosen):
    mask = np.zeros((len(chosen), experts))
    np.put_along_axis(mask, chosen, 1.0, axis=1)
    return mask * experts / (k * t) * load


MISTAKES = [
    ("only the experts that a token chose get its gradient; the mean is over all", _wrong(_own)),
    ("the load is not divided by the tokens of the text",
     _wrong(lambda load, t, k, experts, _: experts / k * load)),
    ("the factor t of the sum over tokens is forgotten",
     _wrong(lambda load, t, k, experts, _: experts / (k * t * t) * load)),
    ("the number of a token's experts is forgotten",
     _wrong(lambda load, t, k, experts, _: experts / t * load)),
    ("every expert is pushed alike, not by its load", "balance_loss/load-forgotten"),
    ("dloss is taken for 1", "balance_loss/upstream-ignored"),
    ("experts are pushed by what they lack", "balance_loss/mean-for-load"),
]  # fmt: skip
