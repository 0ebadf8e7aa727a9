import math


def noam(update, d_model, warmup):
    t, w = math.log(update), math.log(warmup)
    return math.exp(min(-t / 2, t - 1.5 * w) - math.log(d_model) / 2)


def clip(dweight, dbias, max_norm):
    norm = math.hypot(*dweight.ravel(), *dbias)
    if norm <= max_norm:
        return dweight.copy(), dbias.copy()
    return dweight / norm * max_norm, dbias / norm * max_norm
