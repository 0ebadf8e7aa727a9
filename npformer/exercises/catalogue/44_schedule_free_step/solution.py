"""Exercise 44: one step of schedule-free descent."""


def schedule_free_step(z, x, gradient, squares, rate, beta):
    """z, x, gradient (P,), squares and rate numbers -> the next z, x, y (P,), squares."""
    z = z - rate * gradient
    squares = squares + rate**2
    # A z counts by the square of its rate; the weights of all z so far add up to 1.
    x = x + rate**2 / squares * (z - x)
    y = (1 - beta) * z + beta * x
    return z, x, y, squares


def run_steps(weight, gradients, rates, beta):
    """weight (P,), gradients (t, P), rates (t,) -> z, x, y (P,), squares after the last step."""
    z, x, y, squares = weight, weight, weight, 0.0
    for gradient, rate in zip(gradients, rates, strict=True):
        z, x, y, squares = schedule_free_step(z, x, gradient, squares, rate, beta)
    return z, x, y, squares
