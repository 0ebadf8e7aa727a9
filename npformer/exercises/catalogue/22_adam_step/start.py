"""Exercise 22: one step of Adam.

    weight (P,)    gradient (P,)    m (P,)    v (P,)    step counts from 1

run_adam is given. Write adam_step, then:

    npformer exercise check adam_step
    npformer exercise hint adam_step
"""

import numpy as np


def adam_step(weight, gradient, m, v, step, learning_rate, beta1, beta2, eps):
    """weight, gradient, m, v (P,), step from 1 -> the next weight, m, v (P,)."""
    raise NotImplementedError("return weight, m, v")


def run_adam(weight, gradients, learning_rate, beta1, beta2, eps):
    """weight (P,), gradients (t, P), one an update -> weight, m, v (P,) after the last of them."""
    weight, m, v = weight.copy(), np.zeros_like(weight), np.zeros_like(weight)
    for step, g in enumerate(gradients, 1):
        weight, m, v = adam_step(weight, g.copy(), m, v, step, learning_rate, beta1, beta2, eps)
    return weight, m, v
