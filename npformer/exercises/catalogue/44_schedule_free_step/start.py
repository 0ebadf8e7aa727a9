"""Exercise 44: one step of schedule-free descent.

    z, x, y, gradient (P,)    squares, rate, beta numbers

run_steps is given. Write schedule_free_step, then:

    npformer exercise check schedule_free_step
    npformer exercise hint schedule_free_step
"""


def schedule_free_step(z, x, gradient, squares, rate, beta):
    """z, x, gradient (P,), squares and rate numbers -> the next z, x, y (P,), squares."""
    raise NotImplementedError("return z, x, y, squares")


def run_steps(weight, gradients, rates, beta):
    """weight (P,), gradients (t, P), rates (t,) -> z, x, y (P,), squares after the last step."""
    z, x, y, squares = weight, weight, weight, 0.0
    for gradient, rate in zip(gradients, rates, strict=True):
        z, x, y, squares = schedule_free_step(z, x, gradient, squares, rate, beta)
    return z, x, y, squares
