r"""The standard normal distribution, to a few eps in both tails: its density and its integral.

Shapes      x, pdf, cdf : any, all the same

Density     pdf(x) = exp(-x^2 / 2) / sqrt(2 pi)

            Rounding x^2 / 2 moves it by up to eps x^2 / 4, and exp makes of that a relative
            error: hundreds of eps at x = 38. So let h be |x| rounded to 64ths, whose square is
            exact, and use x^2 = h^2 + (|x| - h)(|x| + h), the second term of which is below 1
            and rounded accordingly.

Integral    cdf(x) = integral of pdf from -inf to x

            1 + erf(x / sqrt(2)), halved, cancels to nothing on the left. Mills's ratio (1926),

                mills(a) = cdf(-a) / pdf(a)            a >= 0

            does not: it falls smoothly from sqrt(pi / 2) towards 1 / a. It is computed as a
            quotient of polynomials with positive coefficients, so there is no cancellation
            either, and then

                cdf(x) = pdf(x) mills(|x|)             x <= 0
                cdf(x) = 1 - pdf(x) mills(|x|)         x > 0

            The quotient P/Q has deg P = deg Q - 1 and agrees with mills at 2 deg Q points, which
            are the Chebyshev points of t = (a - c) / (a + c) with c = 4 for a in [0, 40] (float64,
            relative error of the formula 1e-16) and c = 3 for a in [0, 15] (float32, 8e-9).
            Those linear equations were solved with 80 digits. Farther out pdf is 0.

Chapter     walkthroughs/04_activations.md
"""

from __future__ import annotations

import math

import numpy as np

from npformer.ops.array import Array

FAR = 40.0  # pdf(40) is 0 in float64

# (P, Q), highest power first.
_MILLS_32 = (
    (0.010333645756777025, 0.10201992487841711, 0.4598957554600416, 1.0995932969066338,
     1.2533141427690406),
    (0.01033353410301861, 0.10202606508008999, 0.4700843052336978, 1.2035824337408796,
     1.6752334168384364, 1.0),
)  # fmt: skip
_MILLS_64 = (
    (3.539374381695656e-06, 9.490976487703701e-05, 0.0012464787276564907, 0.010371227498271933,
     0.05978940563837088, 0.24680591661471118, 0.72954882116895, 1.495130620744631,
     1.9465576298640739, 1.2533141373155001),
    (3.5393743817034457e-06, 9.490976487536711e-05, 0.0012500181021993545, 0.010466137253814498,
     0.0610288059825763, 0.2569873142590225, 0.7868808831123079, 1.7221395351506155,
     2.5687784862680085, 2.3510128403844215, 1.0),
)  # fmt: skip


def normal_pdf(x: Array) -> Array:
    """x (...) -> pdf (...)."""
    a = np.minimum(np.abs(x), FAR)
    h = np.rint(a * 64) / 64
    pdf = np.exp((a - h) * (a + h) * -0.5)
    pdf *= np.exp(h * h * -0.5)
    pdf *= 1 / math.sqrt(2 * math.pi)
    return pdf


def normal_cdf(x: Array) -> Array:
    """x (...) -> cdf (...)."""
    p, q = _MILLS_32 if x.dtype == np.float32 else _MILLS_64
    a = np.minimum(np.abs(x), FAR)
    tail = normal_pdf(a)
    tail *= _polynomial(p, a)
    tail /= _polynomial(q, a)
    return np.abs((x > 0) - tail)  # 1 - tail or tail; np.where is slower by the branch


def _polynomial(coefficients: tuple[float, ...], a: Array) -> Array:
    """Horner's rule, highest power first."""
    value = coefficients[0] * a
    for coefficient in coefficients[1:-1]:
        value += coefficient
        value *= a
    value += coefficients[-1]
    return value
