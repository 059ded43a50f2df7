"""What two other libraries say, as one JSON document on stdout.

    python3 -m venv v && v/bin/pip install dp-accounting==0.6.0 opendp==0.16.0
    v/bin/python packages/privacy/test/make-reference-vectors.py > packages/privacy/test/vectors/reference.json

google: Google's dp-accounting, Renyi orders on a fine grid. exact: the privacy loss distribution of the
mechanism by the same library, a lower bound of every conversion. opendp: OpenDP's own maps and samplers.
"""

import collections
import json
import math
import sys

import numpy as np
import opendp.prelude as dp
from dp_accounting.pld import privacy_loss_distribution as pld
from dp_accounting.rdp.rdp_privacy_accountant import compute_delta, compute_epsilon

DRAWS = 50_000
ORDERS = 1 + np.exp(np.linspace(-8, 18, 20_001))

dp.enable_features("contrib", "honest-but-curious", "idealized-numerics")
INTEGER = dp.atom_domain(T=int), dp.absolute_distance(T=int)


def conversions():
    for rho, delta in [
        ("0.1", "0.000001"), ("0.5", "0.00001"), ("0.01", "0.00000001"), ("1", "0.01"), ("2.5", "0.000000001"),
        ("10", "0.000001"), ("0.0001", "0.00001"), ("0.000001", "0.000000001"), ("0.123456", "0.0000789"),
    ]:
        sigma = math.sqrt(1 / (2 * float(rho)))
        gaussian = dp.m.make_gaussian(*INTEGER, scale=sigma)
        profile = dp.c.make_zCDP_to_approxDP(gaussian).map(1)
        loss = pld.from_gaussian_mechanism(sigma)
        epsilon = compute_epsilon(ORDERS, float(rho) * ORDERS, float(delta))[0]
        # A round number near it, so that both sides start from the same decimal.
        rounded = f"{epsilon:.6f}".rstrip("0").rstrip(".")
        yield {
            "rho": rho,
            "delta": delta,
            "epsilon": {
                "google": epsilon,
                "opendp": profile.epsilon(float(delta)),
                "exact": loss.get_epsilon_for_delta(float(delta)),
            },
            "atEpsilon": rounded,
            "deltaOf": {
                "google": compute_delta(ORDERS, float(rho) * ORDERS, float(rounded))[0],
                "opendp": profile.delta(float(rounded)),
                "exact": loss.get_delta_for_epsilon(float(rounded)),
            },
        }


def compositions():
    for epsilon, times, delta in [("0.1", 20, "0.000001"), ("0.5", 5, "0.00001"), ("0.01", 1000, "0.000001")]:
        laplace = dp.m.make_laplace(*INTEGER, scale=1 / float(epsilon))
        yield {
            "epsilon": epsilon,
            "times": times,
            "delta": delta,
            "pure": dp.c.make_composition([laplace] * times).map(1),
            "concentrated": dp.c.make_pureDP_to_zCDP(laplace).map(1),
            "exact": pld.from_discrete_laplace_mechanism(float(epsilon)).self_compose(times)
            .get_epsilon_for_delta(float(delta)),
        }


def thresholds():
    """OpenDP keeps what is above its threshold, so its 200 is our 201."""
    counts = dp.map_domain(dp.atom_domain(T=str), dp.atom_domain(T=int))
    l1 = dp.l01inf_distance(dp.absolute_distance(T=int))
    l2 = dp.l02inf_distance(dp.absolute_distance(T=int))
    for kind, make, metric, scale, above, groups in [
        ("laplace", dp.m.make_laplace_threshold, l1, 10, 200, 1),
        ("laplace", dp.m.make_laplace_threshold, l1, 10, 200, 4),
        ("laplace", dp.m.make_laplace_threshold, l1, 3, 40, 2),
        ("gaussian", dp.m.make_gaussian_threshold, l2, 10, 60, 1),
        ("gaussian", dp.m.make_gaussian_threshold, l2, 10, 60, 4),
        ("gaussian", dp.m.make_gaussian_threshold, l2, 100, 500, 9),
    ]:
        farthest = groups if kind == "laplace" else math.isqrt(groups)
        mechanism = make(counts, metric, scale=float(scale), threshold=above)
        delta = mechanism.map((groups, farthest, 1))[1]
        yield {"kind": kind, "scale": scale, "groups": groups, "above": above, "delta": delta}


def histograms():
    vector = dp.vector_domain(dp.atom_domain(T=int))
    for kind, make, metric, scale in [
        ("laplace", dp.m.make_laplace, dp.l1_distance(T=int), 10.0),
        ("laplace", dp.m.make_laplace, dp.l1_distance(T=int), 0.7),
        ("gaussian", dp.m.make_gaussian, dp.l2_distance(T=int), 10.0),
        ("gaussian", dp.m.make_gaussian, dp.l2_distance(T=int), 0.6),
    ]:
        drawn = collections.Counter(make(vector, metric, scale=scale)([0] * DRAWS))
        yield {"kind": kind, "scale": str(scale), "counts": {str(value): drawn[value] for value in sorted(drawn)}}


json.dump(
    {
        "conversions": list(conversions()),
        "compositions": list(compositions()),
        "thresholds": list(thresholds()),
        "histograms": list(histograms()),
    },
    sys.stdout,
)
print()
