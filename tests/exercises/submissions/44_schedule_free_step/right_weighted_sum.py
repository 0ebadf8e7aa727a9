def schedule_free_step(z, x, gradient, squares, rate, beta):
    after = squares + rate * rate
    z = z - rate * gradient
    x = (squares * x + rate * rate * z) / after
    return z, x, z + beta * (x - z), after
