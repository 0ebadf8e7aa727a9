# diagnosis: the next step needs the uncorrected ones
import numpy as np


def adam_step(weight, gradient, m, v, step, learning_rate, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * gradient
    v = beta2 * v + (1 - beta2) * gradient**2
    m = m / (1 - beta1**step)
    v = v / (1 - beta2**step)
    weight = weight - learning_rate * m / (np.sqrt(v) + eps)
    return weight, m, v


def run_adam(weight, gradients, learning_rate, beta1, beta2, eps):
    weight, m, v = weight.copy(), np.zeros_like(weight), np.zeros_like(weight)
    for step, g in enumerate(gradients, 1):
        weight, m, v = adam_step(weight, g.copy(), m, v, step, learning_rate, beta1, beta2, eps)
    return weight, m, v
