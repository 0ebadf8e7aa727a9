"""Exercise 53: a loss that keeps experts busy.

    probs, dprobs (R, E)    chosen (R, k)    texts (R,)    loss ()

The forward is given. Write balance_loss_backward, then:

    npformer exercise check balance_loss_backward
    npformer exercise hint balance_loss_backward
"""

import numpy as np


def balance_loss_forward(probs, chosen, texts):
    """probs (R, E), chosen (R, k), texts (R,) -> loss (), cache."""
    experts, k = probs.shape[1], chosen.shape[1]
    loss = 0.0
    for text in np.unique(texts[texts >= 0]):
        of = texts == text
        t = of.sum()
        load = np.bincount(chosen[of].ravel(), minlength=experts)
        loss += t * experts / k * ((load / t) * probs[of].mean(axis=0)).sum()
    return np.asarray(loss), (chosen, texts, experts)


def balance_loss_backward(dloss, cache):
    """dloss () -> dprobs (R, E)."""
    chosen, texts, experts = cache
    raise NotImplementedError("return dprobs")
