"""Wrong optimizer steps."""

from __future__ import annotations

import numpy as np

from npformer.optim import adam, sgd
from npformer.verify.mutants.mutant import Family

right_adam, right_sgd = adam.adam_update, sgd.sgd_update

Adam = Family("Adam")


def _adam(name, wrong):
    return Adam.method(name, wrong, adam, "adam_update")


def _moments(gradient, m, v, beta1, beta2):
    m *= beta1
    m += (1 - beta1) * gradient
    v *= beta2
    v += (1 - beta2) * gradient * gradient


@_adam("no-bias-correction", "neither moment is corrected for starting at zero")
def _uncorrected(
    weight, gradient, m, v, spare, *, step, learning_rate, beta1, beta2, eps
):  # fmt: skip
    _moments(gradient, m, v, beta1, beta2)
    weight -= learning_rate * m / (np.sqrt(v) + eps)


@_adam("second-moment-uncorrected", "the second moment is not corrected for starting at zero")
def _half_corrected(
    weight, gradient, m, v, spare, *, step, learning_rate, beta1, beta2, eps
):  # fmt: skip
    _moments(gradient, m, v, beta1, beta2)
    weight -= learning_rate * m / (1 - beta1**step) / (np.sqrt(v) + eps)


@_adam("eps-inside-the-root", "eps stands inside the root")
def _inside(
    weight, gradient, m, v, spare, *, step, learning_rate, beta1, beta2, eps
):  # fmt: skip
    _moments(gradient, m, v, beta1, beta2)
    root = np.sqrt(v / (1 - beta2**step) + eps)
    weight -= learning_rate * m / (1 - beta1**step) / root


@_adam("eps-before-correction", "eps is added to the uncorrected root")
def _before(
    weight, gradient, m, v, spare, *, step, learning_rate, beta1, beta2, eps
):  # fmt: skip
    _moments(gradient, m, v, beta1, beta2)
    rate = learning_rate * np.sqrt(1 - beta2**step).item() / (1 - beta1**step)
    weight -= rate * m / (np.sqrt(v) + eps)


@_adam("multiplied-by-root", "the root multiplies where its reciprocal belongs")
def _reciprocal(
    weight, gradient, m, v, spare, *, step, learning_rate, beta1, beta2, eps
):  # fmt: skip
    _moments(gradient, m, v, beta1, beta2)
    root = np.sqrt(v / (1 - beta2**step)) + eps
    weight -= learning_rate * m / (1 - beta1**step) * root


@_adam("square-of-the-mean", "v is the square of the mean, not the mean of squares")
def _square(
    weight, gradient, m, v, spare, *, step, learning_rate, beta1, beta2, eps
):  # fmt: skip
    m *= beta1
    m += (1 - beta1) * gradient
    v[...] = m * m
    root = np.sqrt(v / (1 - beta2**step)) + eps
    weight -= learning_rate * m / (1 - beta1**step) / root


@_adam("steps-from-zero", "the correction counts steps from 2, as after one too many")
def _late(weight, gradient, m, v, spare, *, step, **settings):
    right_adam(weight, gradient, m, v, spare, step=step + 1, **settings)


@_adam("uphill", "the step goes up the gradient")
def _uphill(weight, gradient, m, v, spare, *, learning_rate, **settings):
    right_adam(weight, gradient, m, v, spare, learning_rate=-learning_rate, **settings)


AdamW = Family("AdamW")


@AdamW.method(
    "decay-coupled", "the decay goes through the moments, as in Adam", adam.AdamW, "decay"
)
def _coupled(self, weight, gradient, spare, learning_rate):
    gradient += self.weight_decay * weight


@AdamW.method(
    "decay-without-rate", "the decay is not scaled by the learning rate", adam.AdamW, "decay"
)
def _no_rate(self, weight, gradient, spare, learning_rate):
    weight *= 1 - self.weight_decay


SGD = Family("SGD")


def _sgd(name, wrong):
    return SGD.method(name, wrong, sgd, "sgd_update")


@_sgd("momentum-damped", "the gradient enters the velocity times 1 - momentum")
def _damped(weight, gradient, velocity, spare, *, learning_rate, momentum):
    velocity *= momentum
    velocity += (1 - momentum) * gradient
    weight -= learning_rate * velocity


@_sgd("momentum-after", "the step uses the velocity from before this gradient")
def _after(weight, gradient, velocity, spare, *, learning_rate, momentum):
    weight -= learning_rate * velocity
    velocity *= momentum
    velocity += gradient


@_sgd("nesterov", "the step looks ahead, as Nesterov's does")
def _nesterov(weight, gradient, velocity, spare, *, learning_rate, momentum):
    velocity *= momentum
    velocity += gradient
    weight -= learning_rate * (gradient + momentum * velocity)


MUTANTS = (*Adam.mutants, *AdamW.mutants, *SGD.mutants)
