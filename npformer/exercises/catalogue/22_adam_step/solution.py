"""Exercise 22: one step of Adam."""

import numpy as np


def adam_step(weight, gradient, m, v, step, learning_rate, beta1, beta2, eps):
    """weight, gradient, m, v (P,), step from 1 -> the next weight, m, v (P,)."""
    m = beta1 * m + (1 - beta1) * gradient
    v = beta2 * v + (1 - beta2) * gradient**2
    # The weights of m's gradients are (1 - beta1) beta1^k, k < step, and sum to 1 - beta1^step. The
    # rest still sits on the zero that m started from. Dividing makes m a mean again; v likewise.
    m_hat = m / (1 - beta1**step)
    v_hat = v / (1 - beta2**step)
    # eps has the unit of a gradient, as sqrt(v_hat) has: it is added to the root, not under it.
    weight = weight - learning_rate * m_hat / (np.sqrt(v_hat) + eps)
    return weight, m, v


def run_adam(weight, gradients, learning_rate, beta1, beta2, eps):
    """weight (P,), gradients (t, P), one an update -> weight, m, v (P,) after the last of them."""
    weight, m, v = weight.copy(), np.zeros_like(weight), np.zeros_like(weight)
    for step, g in enumerate(gradients, 1):
        weight, m, v = adam_step(weight, g.copy(), m, v, step, learning_rate, beta1, beta2, eps)
    return weight, m, v
