"""Write quantiles.json: quantiles of the Gamma, Beta, Student-t and von Mises distributions, computed with mpmath.

For each function a list of rows [arguments, ..., x]. The distribution functions are those of gammainc.py, beta.py and
von_mises.py in this folder. Each equation is solved by Newton's method for the logarithm of the smaller tail probability, in
the logarithm of x, the log odds of x, |x| or the logarithm of π − |x|, until a step changes nothing at 30 digits; SciPy gives
the start. Arguments are float64 values, most of them exact in float32.

Usage: python -m tests.truth.quantiles [section ...]     (about ten minutes for all)
"""

import json
import math
import sys
from pathlib import Path

import mpmath as mp
import numpy as np
import scipy.special
import scipy.stats

from tests.truth import beta, von_mises
from tests.truth.gammainc import both

mp.mp.dps = 50
PATH = Path(__file__).with_suffix(".json")
TAILS = (1e-36, 1e-300, 0.01, 1e-12, 0.4999, 1e-5, 0.5, 0.2)


def newton(step, start):
    """The fixed point of x + step(x)."""
    x = mp.mpf(start)
    for _ in range(200):
        change = step(x)
        x += change
        if abs(change) < mp.mpf(10) ** -30 * (1 + abs(x)):
            return x
    raise SystemExit("Newton's method did not converge")


def gamma_log_quantile(a, p, upper):
    """ln x for P(a, x) = p, or Q(a, x) = p if ``upper``."""
    p = mp.mpf(p)
    from_above = upper if p <= 0.5 else not upper
    target = mp.log(p if p <= 0.5 else 1 - p)

    def step(y):
        x = mp.exp(y)
        tail = both(a, x)[from_above]
        density = mp.exp(a * y - x - mp.loggamma(a))
        rate = -density / tail if from_above else density / tail
        change = (target - mp.log(tail)) / rate
        # Newton's method in x on the right
        return mp.log1p(max(change, mp.mpf(-0.9))) if from_above else change

    guess = (scipy.special.gammainccinv if upper else scipy.special.gammaincinv)(a, float(p))
    tail = float((mp.log(p) + mp.loggamma(a + 1)) / a)
    return newton(step, math.log(guess) if 1e-300 < guess < 1e300 else tail)


def beta_log_odds(a, b, p, rest, start=None):
    """The log odds of x for I_x(a, b) = p and 1 − I_x(a, b) = rest."""
    if p > rest:
        return -beta_log_odds(b, a, rest, p, None if start is None else -start)
    a, b, target = mp.mpf(a), mp.mpf(b), mp.log(p)
    digits = 45 + int(-target / math.log(10))

    def step(s):
        with mp.workdps(digits):
            small = 1 / (1 + mp.exp(abs(s)))
            first, second = (b, a) if s > 0 else (a, b)
            tail = beta.truth(first, second, small, digits)[2]
            tail = 1 - tail if s > 0 else tail
            return (target - mp.log(tail)) * tail / beta.density(first, second, small)

    if start is not None:
        return newton(step, start)
    guess = scipy.special.betaincinv(float(a), float(b), float(p))
    leading = (target + mp.log(a) + mp.log(mp.beta(a, b))) / a
    return newton(step, mp.log(guess / (1 - guess)) if 1e-300 < guess < 1 - 1e-9 else min(leading, mp.mpf(20)))


def student_t_quantile(df, p):
    p = mp.mpf(p)
    if p == 0.5:
        return mp.mpf(0)
    guess = mp.mpf(scipy.stats.t.ppf(float(min(p, 1 - p)), df))
    start = mp.log(df / guess**2) if df > 100 else None
    s = beta_log_odds(mp.mpf(df) / 2, 0.5, 2 * min(p, 1 - p), 2 * abs(p - 0.5), start)
    return mp.sign(p - 0.5) * mp.sqrt(df) * mp.exp(-s / 2)


def von_mises_quantile(p, k):
    p = mp.mpf(p)
    if p == 0.5:
        return mp.mpf(0)
    k, tail = mp.mpf(k), min(p, 1 - p)

    def step(log_u):
        z = mp.pi - mp.exp(log_u)
        ratio = von_mises.tail_ratio(k, z)
        log_tail = mp.log(von_mises.upper_tail(k, z))
        return (mp.log(tail) - log_tail) * ratio / mp.exp(log_u)

    def normal_step(z):
        log_tail = mp.log(von_mises.upper_tail(k, z))
        return (log_tail - mp.log(tail)) * von_mises.tail_ratio(k, z)

    guess = -scipy.special.ndtri(float(tail)) / math.sqrt(float(k)) if k > 1 else math.pi * (1 - 2 * float(tail))
    if guess < 1 and k > 10:
        with mp.workdps(60 + int(-mp.log10(tail))):
            return mp.sign(p - 0.5) * newton(normal_step, guess)
    # u ≤ p/q(π)
    bound = float(mp.pi - min(mp.pi, tail * 2 * mp.pi * von_mises.scaled_i0(k) * mp.exp(2 * k)))
    with mp.workdps(60 + int(-mp.log10(tail))):
        u = mp.exp(newton(step, mp.log(mp.pi - mp.mpf(max(min(guess, 3.0), bound)))))
        return mp.sign(p - 0.5) * (mp.pi - u)


def single(x):
    """The float32 next to x where that is in its normal range, else x."""
    return float(np.float32(x)) if 1e-37 < x < 1e37 else float(x)


def probabilities(index):
    """Some of the tails, on both sides."""
    for tail in TAILS[index % 2 :: 2]:
        yield single(tail)
        if tail > 1e-12:
            yield 1 - single(tail)


def digits(x):
    return mp.nstr(x, 25)


def gamma_rows(upper=False, log=False):
    for index, a in enumerate(map(single, np.logspace(-3, 6, 19))):
        for p in probabilities(index):
            y = gamma_log_quantile(a, p, upper)
            if log or y > -690:
                yield [a, p, digits(y if log else mp.exp(y))]


def beta_rows(log=False):
    shapes = [(single(a), single(b)) for a in np.logspace(-2, 3, 7) for b in np.logspace(-2, 3, 7)]
    for index, (a, b) in enumerate(shapes):
        for p in [*probabilities(index)][index % 3 :: 3]:
            s = beta_log_odds(a, b, mp.mpf(p), 1 - mp.mpf(p))
            if log or s > -690:
                yield [a, b, p, digits(s if log else 1 / (1 + mp.exp(-s)))]


def student_t_rows():
    for index, df in enumerate(map(single, np.logspace(-2, 10, 19))):
        for p in probabilities(index):
            if (df > 0.1 or p > 1e-2) and (df < 100 or p > 1e-20):  # the others take minutes
                yield [df, p, digits(student_t_quantile(df, p))]


def von_mises_rows():
    for index, k in enumerate(map(single, np.logspace(-3, 10, 19))):
        for p in probabilities(index):
            if k < 2000 or p > 1e-40:  # the expansion of I0 for large κ has 60 digits
                yield [p, k, digits(von_mises_quantile(p, k))]


SECTIONS = {
    "gammaincinv": gamma_rows,
    "gammainccinv": lambda: gamma_rows(upper=True),
    "log_gammaincinv": lambda: gamma_rows(log=True),
    "betaincinv": beta_rows,
    "logit_betaincinv": lambda: beta_rows(log=True),
    "stdtrit": student_t_rows,
    "von_mises_icdf": von_mises_rows,
}


def main():
    content = json.loads(PATH.read_text()) if PATH.exists() else {}
    for name in sys.argv[1:] or SECTIONS:
        content[name] = list(SECTIONS[name]())
        sections = (f'"{key}": [\n' + ",\n".join(map(json.dumps, content[key])) + "\n]" for key in SECTIONS if key in content)
        PATH.write_text("{" + ",\n".join(sections) + "}\n")
        print(name, len(content[name]), flush=True)


if __name__ == "__main__":
    main()
