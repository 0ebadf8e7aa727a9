import math

import numpy as np


def adam_step(weight, gradient, m, v, step, learning_rate, beta1, beta2, eps):
    # Multiplied through by r = sqrt(1 - beta2^step): both corrections become numbers.
    m = m + (1 - beta1) * (gradient - m)
    v = v + (1 - beta2) * (gradient * gradient - v)
    r = math.sqrt(1 - beta2**step)
    return weight - learning_rate * r / (1 - beta1**step) * m / (v**0.5 + eps * r), m, v


def run_adam(weight, gradients, learning_rate, beta1, beta2, eps):
    weight, m, v = weight.copy(), np.zeros_like(weight), np.zeros_like(weight)
    for step, g in enumerate(gradients, 1):
        weight, m, v = adam_step(weight, g.copy(), m, v, step, learning_rate, beta1, beta2, eps)
    return weight, m, v
