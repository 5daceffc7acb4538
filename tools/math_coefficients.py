"""Derive the coefficients of src/kernels/math.rs and src/kernels/simd/avx512_activation.rs.

Prints the errors that their tests bound.

Not needed to build or test. Run: pip install numpy mpmath scipy; python tools/math_coefficients.py

exp: (exp(r) - 1 - r) / r^2 is fitted by a polynomial on |r| <= ln 2 / 2.
exp2: (2^f - 1) / f is fitted by a polynomial on |f| <= 1/2 and, for AVX-512, on 0 <= f <= 1.
These fits minimise the largest relative error by reweighting least squares (Lawson's method).

gelu: erf(x / sqrt(2)) / 2x is fitted by a rational function of x^2 on |x| <= 5.36, with the least absolute error of its
product with x, which is the error of GELU relative to |x|. It is to be 1/2 at the end, where the weight is high.

tables: (GELU or QuickGELU minus max(x, 0)) / -|x| is fitted by 32 polynomials of |x| minus the centre of its interval.
These fits minimise the largest absolute error, which is the error of the activation relative to |x|.
"""

import mpmath as mp
import numpy as np
from scipy.special import erf as exact_erf
from scipy.special import erfc, expit

mp.mp.dps = 40
ULP = 2.0**-24  # half a unit in the last place of a float just below one


def chebyshev(low, high, count):
    k = np.arange(count)
    return (low + high) / 2 + (high - low) / 2 * np.cos((2 * k + 1) * np.pi / (2 * count))


def fit(matrix_and_target, weight, evaluate, rounds=300):
    """Run Lawson's iteration. Return the best coefficients and their largest weighted error."""
    importance = np.full(len(weight), 1.0 / len(weight))
    state, best = None, (np.inf, None)
    for _ in range(rounds):
        matrix, target, scale = matrix_and_target(state)
        row = np.sqrt(importance) * weight * scale
        state = np.linalg.lstsq(matrix * row[:, None], target * row, rcond=None)[0]
        error = np.abs(evaluate(state) * weight)
        if error.max() < best[0]:
            best = (error.max(), state.copy())
        importance *= error / error.max() + 1e-3
        importance /= importance.sum()
    return best


def fit_exp(degree=4):
    r = chebyshev(-np.log(2) / 2, np.log(2) / 2, 400)
    target = np.array([float((mp.e ** mp.mpf(v) - 1 - mp.mpf(v)) / mp.mpf(v) ** 2) for v in r])
    powers = np.vander(r, degree + 1, increasing=True)
    weight = r**2 / np.exp(r)
    return fit(lambda _: (powers, target, 1.0), weight, lambda c: powers @ c - target)


def fit_exp2(low, high, degree=4):
    f = chebyshev(low, high, 400)
    powers = np.vander(f, degree + 1, increasing=True)
    target = np.expm1(f * np.log(2)) / f
    return fit(lambda _: (powers, target, 1.0), f / 2**f, lambda c: powers @ c - target)


def fit_gelu(numerator=4, denominator=5, limit=5.36, end_weight=30):
    x = np.append(np.abs(chebyshev(1e-6, limit, 1200)), limit)
    u = (x / limit) ** 2
    target = exact_erf(x / np.sqrt(2)) / 2 / x
    target[-1] = 0.5 / limit
    powers = np.vander(u, denominator + 1, increasing=True)
    above = powers[:, : numerator + 1]
    matrix = np.hstack([above, -target[:, None] * powers[:, 1:]])
    weight = x.copy()
    weight[-1] *= end_weight

    def below(c):
        return 1 + powers[:, 1:] @ c[numerator + 1 :]

    def linearised(c):
        return matrix, target, 1.0 if c is None else 1 / below(c)

    error, c = fit(linearised, weight, lambda c: above @ c[: numerator + 1] / below(c) - target)
    scale = limit**2
    p = [c[i] / scale**i for i in range(numerator + 1)]
    q = [1.0] + [c[numerator + i] / scale**i for i in range(1, denominator + 1)]
    return error, p, q


def gelu_in_f32(p, q, x, limit=5.36):
    """The kernel's arithmetic: f32 with fused multiply-adds."""
    bounded = np.clip(x, -np.float32(limit), np.float32(limit))
    u = bounded * bounded

    def horner(c):
        value = np.full_like(u, np.float32(c[-1]))
        for coefficient in c[-2::-1]:
            value = (value.astype(np.float64) * u + np.float32(coefficient)).astype(np.float32)
        return value

    half = bounded * horner(p) / horner(q)
    return (x.astype(np.float64) * half + x * np.float32(0.5)).astype(np.float32)


def gelu_rest(a):
    return erfc(a / np.sqrt(2)) / 2


def quick_gelu_rest(a):
    return expit(-1.702 * a)


def fit_table(function, step, degree):
    """Return coefficients [degree + 1, 32], lowest first, around the multiples of `step`, and the largest error.

    The last polynomial is zero, since all numbers beyond its interval take it, too.
    """
    worst, table = 0, np.zeros((degree + 1, 32))
    for i in range(31):
        f = chebyshev(0 if i == 0 else -step / 2, step / 2, 400)
        target = function(i * step + f)
        powers = np.vander(f / step, degree + 1, increasing=True)
        error, c = fit(lambda _: (powers, target, 1.0), np.ones_like(f), lambda c: powers @ c - target)
        worst, table[:, i] = max(worst, error), c / step ** np.arange(degree + 1)
    return worst, table.astype(np.float32)


def table_in_f32(table, step, x):
    """The kernel's arithmetic: f32 with fused multiply-adds."""
    a = np.minimum(np.abs(x), np.float32(31 * step))
    i = np.rint(a / np.float32(step)).astype(int)
    f = (a - i * np.float32(step)).astype(np.float64)
    rest = table[-1, i]
    for row in table[-2::-1]:
        rest = (rest * f + row[i]).astype(np.float32)
    return (np.maximum(x, 0) - a.astype(np.float64) * rest).astype(np.float32)


def print_table(name, function, step, degree):
    worst, table = fit_table(function, step, degree)
    x = np.linspace(-16, 16, 4_000_001).astype(np.float32)
    wide = x.astype(np.float64)
    error = np.abs(table_in_f32(table, step, x) - wide * function(-wide))
    print(f"{name}: fit error {worst:.2g};", end=" ")
    print(f"in f32 {(error / np.maximum(np.abs(wide), 1e-30)).max():.2g} of |x|, {error[x < 0].max():.2g} below zero")
    for row in table:
        print("    [")
        for start in range(0, 32, 4):
            print("        " + " ".join(f"{format_f32(v)}," for v in row[start : start + 4]))
        print("    ],")


def format_f32(value):
    """Format a number as a Rust literal: with a point, and separators in long fractions."""
    if value == 0:
        return "0.0"
    if abs(value) < 1e-3:
        digits, exponent = np.format_float_scientific(value, trim="0").split("e")
        return group(digits) + "e" + str(int(exponent))
    return group(np.format_float_positional(value, trim="0"))


def group(digits):
    whole, fraction = digits.split(".")
    if len(fraction) > 3:
        fraction = "_".join(fraction[i : i + 3] for i in range(0, len(fraction), 3))
    return f"{whole}.{fraction}"


error, c = fit_exp()
print("exp: fit error", error / ULP, "x 2^-24;", [str(np.float32(v)) for v in c])
for low, high in [(-0.5, 0.5), (0.0, 1.0)]:
    error, c = fit_exp2(low, high)
    print("exp2: fit error", error / ULP, "x 2^-24;", [str(np.float32(v)) for v in c])
error, p, q = fit_gelu()
x = np.linspace(-30, 30, 2_000_001).astype(np.float32)
wide = x.astype(np.float64)
relative = np.abs(gelu_in_f32(p, q, x) - wide * erfc(-wide / np.sqrt(2)) / 2) / np.maximum(np.abs(wide), 1e-30)
print(f"gelu: fit error {error:.2g}; in f32 {relative.max():.2g} of |x|, at -30 {gelu_in_f32(p, q, x)[0]}")
print("  P", [str(np.float32(v)) for v in p])
print("  Q", [str(np.float32(v)) for v in q])
print_table("GELU", gelu_rest, 1 / 4, 4)
print_table("QuickGELU", quick_gelu_rest, 1 / 2, 5)
