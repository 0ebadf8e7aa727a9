import math

import numpy as np


def adam_step(weight, gradient, m, v, step, learning_rate, beta1, beta2, eps):
    weight, m, v = weight.copy(), m.copy(), v.copy()
    total1 = sum((1 - beta1) * beta1**k for k in range(step))
    total2 = sum((1 - beta2) * beta2**k for k in range(step))
    for i, g in enumerate(gradient):
        m[i] += (1 - beta1) * (g - m[i])
        v[i] *= beta2
        v[i] += (1 - beta2) * g**2
        weight[i] -= learning_rate * m[i] / total1 / (math.sqrt(v[i] / total2) + eps)
    return weight, m, np.array(v)


def run_adam(weight, gradients, learning_rate, beta1, beta2, eps):
    weight, m, v = weight.copy(), np.zeros_like(weight), np.zeros_like(weight)
    for step, g in enumerate(gradients, 1):
        weight, m, v = adam_step(weight, g.copy(), m, v, step, learning_rate, beta1, beta2, eps)
    return weight, m, v
